/** Sentences with the words that a model gives for those that were hidden. */
import type { LoggedPredictions, LoggedWord } from '../history.js';
import { byId, element } from './dom.js';
import { count, percent } from './format.js';

export interface Predictions {
  draw(all: readonly LoggedPredictions[]): void;
}

/** The newest evaluation's, until somebody looks back. */
export function createPredictions(): Predictions {
  const section = byId('predictions');
  const slider = byId('predicted') as HTMLInputElement;
  let all: readonly LoggedPredictions[] = [];
  let isNewest = true;
  let shown: LoggedPredictions | undefined;

  const show = () => {
    const chosen = all[Number(slider.value)];
    if (!chosen || chosen === shown) return;
    shown = chosen;
    byId('predicted-at').textContent = count(chosen.iteration);
    byId('sentences').replaceChildren(...chosen.sentences.map(sentence));
  };
  slider.addEventListener('input', () => {
    isNewest = Number(slider.value) === all.length - 1;
    show();
  });
  return {
    draw(given) {
      all = given;
      section.hidden = all.every(({ sentences }) => sentences.length === 0);
      slider.max = String(all.length - 1);
      if (isNewest) slider.value = slider.max;
      show();
    },
  };
}

function sentence(parts: LoggedPredictions['sentences'][number]): HTMLElement {
  const nodes = parts.flatMap((part, i) => {
    const text = typeof part === 'string' ? part : part.predicted;
    const space = i === 0 || /^[.,;:!?)\]’]/.test(text) ? '' : ' ';
    return [space, typeof part === 'string' ? part : word(part)];
  });
  return element('p', '', ...nodes);
}

function word({ word, predicted, probability }: LoggedWord): HTMLElement {
  const isRight = word === predicted;
  const given = element('b', '', predicted === '' ? '–' : predicted);
  given.style.setProperty('--probability', percent(Math.min(1, Math.max(0, probability))).replace(' ', ''));
  const made = element('span', isRight ? 'word right' : 'word wrong', given);
  if (!isRight) made.append(element('s', '', word));
  made.title = `${percent(probability)} ${predicted}${isRight ? '' : `; it is ${word}`}`;
  return made;
}
