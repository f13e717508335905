import type { SpecialTokenIds } from '../text/tokenizer.js';

export interface MaskingOptions {
  /** The most tokens to predict. */
  readonly count: number;
  readonly vocabSize: number;
  readonly special: SpecialTokenIds;
  /** By id: 1 for a piece that goes on with the word before it. */
  readonly isContinuation: Uint8Array;
}

/**
 * Hides whole words, in place: of their tokens 80 % become [MASK], 10 % a random token, 10 % stay.
 *
 * @param uniform draws from [0, 1)
 * @returns the position of each token to predict, and the token that was there
 */
export function maskWords(
  ids: number[],
  uniform: () => number,
  { count, vocabSize, special, isContinuation }: MaskingOptions,
): Map<number, number> {
  const words = findWords(ids, special, isContinuation);
  const labels = new Map<number, number>();
  for (let left = words.length; left > 0 && labels.size < count; left--) {
    const chosen = Math.floor(uniform() * left);
    const word = words[chosen]!;
    words[chosen] = words[left - 1]!;
    const fits = labels.size + word.length <= count;
    // where no word is short enough, a part of the last one: a sample without a label has no loss
    const hidden = fits ? word : left === 1 && labels.size === 0 ? word.slice(0, count) : [];
    for (const position of hidden) {
      labels.set(position, ids[position]!);
      const fate = uniform();
      if (fate < 0.8) ids[position] = special.mask;
      else if (fate < 0.9) ids[position] = Math.floor(uniform() * vocabSize);
    }
  }
  return labels;
}

/** Positions of each word's pieces. A word does not reach over a special token. */
function findWords(
  ids: readonly number[],
  { cls, sep }: SpecialTokenIds,
  isContinuation: Uint8Array,
): number[][] {
  const words: number[][] = [];
  let open = false;
  ids.forEach((id, position) => {
    if (id === cls || id === sep) open = false;
    else if (open && isContinuation[id]) words.at(-1)!.push(position);
    else {
      words.push([position]);
      open = true;
    }
  });
  return words;
}
