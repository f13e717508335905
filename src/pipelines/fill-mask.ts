import { InputError } from '../errors.js';
import type { Tokenizer } from '../text/tokenizer.js';
import { largest, softmax } from './scores.js';
import { requireText, toExample, type Task, type TaskModel } from './task.js';

export interface FillMaskOptions {
  /** How many words to suggest for each mask; 5 by default. */
  readonly top_k?: number;
  /** The words to choose from. One that is no token stands for its first piece. */
  readonly targets?: string | readonly string[];
}

/** A word for the mask. */
export interface FilledMask {
  /** Probability among all tokens. */
  readonly score: number;
  readonly token: number;
  readonly token_str: string;
  /** The text with the word in the mask's place. */
  readonly sequence: string;
}

/** The best first; for a text with several masks a list for each, as if the others stayed. */
export type FilledMasks = FilledMask[] | FilledMask[][];

/** The likeliest words for the masks of a text. Long texts are cut. */
export const fillMask: Task<string, FillMaskOptions, FilledMasks> = (model, { top_k = 5, targets }) => {
  const { tokenizer } = model;
  const { mask, pad } = tokenizer.tokens;
  const candidates = targets === undefined ? wordIds(model) : targetIds(model, targets);
  return (text) => {
    requireText('fill-mask', text);
    const encoded = tokenizer.encode(text, null, { truncation: true, max_length: model.longest });
    const example = toExample(encoded, model);
    const { input_ids } = example;
    const places = input_ids.flatMap((id, i) => (id === mask ? [i] : []));
    requireMasks(text, places.length, model);
    const isSingle = places.length === 1;
    return {
      examples: [{ ...example, prediction_positions: places }],
      finish([{ logits }]) {
        const width = logits!.dims.at(-1)!;
        const lists = places.map((place, i) => {
          const scores = softmax(logits!.data.subarray(i * width, (i + 1) * width));
          const best = largest(
            candidates.map((id) => scores[id]!),
            top_k,
          );
          return best.map((candidate): FilledMask => {
            const token = candidates[candidate]!;
            const filled = input_ids.with(place, token).filter((id) => id !== pad);
            return {
              score: scores[token]!,
              token,
              token_str: tokenizer.decode([token]),
              sequence: tokenizer.decode(filled, { skip_special_tokens: isSingle }),
            };
          });
        });
        return isSingle ? lists[0]! : lists;
      },
    };
  };
};

/** Long texts are cut, but not what is asked for. */
function requireMasks(text: string, found: number, { tokenizer, longest }: TaskModel): void {
  const mask = tokenizer.vocab[tokenizer.tokens.mask]!;
  const asked = text.split(mask).length - 1;
  if (asked === 0) throw new InputError(`no ${mask} in ${JSON.stringify(text.slice(0, 200))}`);
  if (found < asked)
    throw new InputError(
      `${asked - found} of ${asked} ${mask} stand behind the ${longest} tokens that the model takes`,
    );
}

/** A model's vocabulary is padded to a round size: words end where the tokenizer's do. */
const wordIds = ({ tokenizer, config }: TaskModel): number[] =>
  Array.from({ length: Math.min(tokenizer.vocabSize, config.vocab_size) }, (_, id) => id);

function targetIds({ tokenizer, warn }: TaskModel, targets: string | readonly string[]): number[] {
  const list = typeof targets === 'string' ? [targets] : targets;
  const found = list.flatMap((target) => targetId(tokenizer, target, warn) ?? []);
  if (found.length === 0)
    throw new InputError(
      `targets: expected words that the tokenizer knows, found ${JSON.stringify(targets)}`,
    );
  return [...new Set(found)];
}

function targetId(tokenizer: Tokenizer, target: string, warn: TaskModel['warn']): number | undefined {
  const whole = tokenizer.vocab.indexOf(target);
  if (whole >= 0) return whole;
  const [first] = tokenizer.tokenize(target);
  warn(
    first === undefined
      ? `the target ${JSON.stringify(target)} has no tokens, and is passed over`
      : `the target ${JSON.stringify(target)} is no token: ${JSON.stringify(tokenizer.vocab[first])} stands for it`,
  );
  return first;
}
