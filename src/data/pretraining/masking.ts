import type { SpecialTokenIds } from '../../text/tokenizer.js';
import type { RandomState } from './random-state.js';
import { roundHalfToEven } from './split.js';

export interface MaskingOptions {
  /** Of tokens, to be predicted. */
  readonly maskProbability: number;
  /** Without padding: random words are drawn from these. */
  readonly vocabSize: number;
  readonly tokens: SpecialTokenIds;
  /** By id: 1 for a piece that goes on with the word before it. */
  readonly isContinuation: Uint8Array;
}

/** 1, 2 or 3 words are hidden together, with probabilities of 6, 3 and 2 in 11. */
const cumulatedNgrams = [6 / 11, 9 / 11, 1];

/** The most tokens of a sample that are predicted. */
export const maximumPredictions = (sequenceLength: number, maskProbability: number): number =>
  Math.floor(maskProbability * (sequenceLength - 3));

/**
 * Hides runs of up to three whole words in `ids`, in place: of their tokens 80 % become [MASK], 10 % a random token,
 * 10 % stay. Megatron-LM's `create_masked_lm_predictions` (megatron/data/dataset_utils.py), draw for draw.
 *
 * @param target tokens that the sample was cut to
 * @param label is told the position of each token to predict, and the token that was there
 */
export function maskWords(
  ids: Int32Array,
  target: number,
  random: RandomState,
  options: MaskingOptions,
  label: (position: number, id: number) => void,
): void {
  const { maskProbability, vocabSize, tokens } = options;
  const { positions, starts, words } = findWords(ids, options);
  const wanted = Math.min(
    maskProbability * target,
    Math.max(1, roundHalfToEven(ids.length * maskProbability)),
  );
  const covered = new Uint8Array(ids.length);
  let count = 0;
  const order = new Uint32Array(words);
  for (let word = 0; word < words; word++) order[word] = word;
  random.shuffle(order);
  for (const word of order) {
    if (count >= wanted) break;
    let length = 1 + random.choice(cumulatedNgrams);
    const first = starts[word]!;
    let end = starts[Math.min(word + length, words)]!;
    while (length > 1 && count + end - first > wanted) end = starts[Math.min(word + --length, words)]!;
    if (count + end - first > wanted || isAnyCovered(positions, first, end, covered)) continue;
    for (let place = first; place < end; place++) {
      const position = positions[place]!;
      covered[position] = 1;
      label(position, ids[position]!);
      if (random.random() < 0.8) ids[position] = tokens.mask;
      else if (random.random() >= 0.5) ids[position] = random.integer(0, vocabSize);
    }
    count += end - first;
  }
}

function isAnyCovered(positions: Uint32Array, first: number, end: number, covered: Uint8Array): boolean {
  for (let place = first; place < end; place++) if (covered[positions[place]!]) return true;
  return false;
}

/** Positions of all pieces, and where each word starts among them. */
function findWords(ids: Int32Array, { tokens: { cls, sep }, isContinuation }: MaskingOptions) {
  const positions = new Uint32Array(ids.length);
  const starts = new Uint32Array(ids.length + 1);
  let [pieces, words] = [0, 0];
  for (let position = 0; position < ids.length; position++) {
    const id = ids[position]!;
    if (id === cls || id === sep) continue;
    // a piece that lost its word's beginning to truncation goes with the word before, even over a [SEP]
    if (words === 0 || !isContinuation[id]) starts[words++] = pieces;
    positions[pieces++] = position;
  }
  starts[words] = pieces;
  return { positions, starts, words };
}
