const elements = [...document.querySelectorAll('[id]')].map((element) => [element.id, element]);
const { text, loading, progress, error, result, sentence, words, status } = Object.fromEntries(elements);

const mask = '[MASK]';
const devices = { webgpu: 'WebGPU', wasm: 'WebAssembly' };
// the address of a model's folder, or its name on the hub
const asked = new URLSearchParams(location.search).get('model');
const model = asked ?? new URL('model/', document.baseURI).href;

const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
let isBusy = false;
let pause;

/** Asks about the text as it is now. While an answer is under way nothing is asked: its end asks again. */
function ask() {
  const isComplete = text.value.includes(mask);
  status.textContent = isComplete ? '' : `Write ${mask} where the word is missing.`;
  if (isBusy || !isComplete) return;
  isBusy = true;
  worker.postMessage({ model, text: text.value });
}

text.addEventListener('input', () => {
  clearTimeout(pause);
  pause = setTimeout(ask, 150);
});

worker.addEventListener('message', ({ data }) => {
  if (data.progress) return showProgress(data.progress);
  if (data.warning) return console.warn(data.warning);
  isBusy = false;
  loading.hidden = true;
  // what answers an older text is not shown
  if (data.text !== text.value) return ask();
  if (data.error) showError(data.error);
  else showWords(data);
});
worker.addEventListener('error', ({ message }) => showError(message));

function showProgress({ loaded, total }) {
  if (loaded < total) Object.assign(progress, { max: total, value: loaded });
  // how long it takes to start is not known
  else progress.removeAttribute('value');
  status.textContent = `${(loaded / 1e6).toFixed(1)} of ${(total / 1e6).toFixed(1)} MB`;
}

function showError(message = 'The worker could not be started.') {
  loading.hidden = result.hidden = true;
  error.hidden = false;
  error.textContent = message;
  status.textContent = '';
}

function showWords({ answer, device, milliseconds }) {
  // several masks have a list each: this is the first one's
  const list = Array.isArray(answer[0]) ? answer[0] : answer;
  const [before, ...after] = text.value.split(mask);
  sentence.replaceChildren(before, element('mark', list[0].token_str), after.join(mask));
  words.replaceChildren(
    ...list.map(({ token_str, score }) => {
      const percent = element('span', `${(100 * score).toFixed(1)} %`);
      const item = element('li', element('b', token_str), element('i'), percent);
      item.style.setProperty('--share', score / list[0].score);
      return item;
    }),
  );
  status.textContent = `${devices[device]}, ${milliseconds.toFixed(0)} ms`;
  error.hidden = true;
  result.hidden = false;
}

function element(name, ...children) {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}

ask();
