import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emptyBertBatch, specialTokens, writeBertSample, type BertSampleOptions } from './bert-samples.js';
import { maximumPredictions } from './masking.js';
import { randomState } from './random-state.js';

const tokens = { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4 };
const vocabSize = 30;
/** Pieces 5 to 24 begin a word, 25 to 29 go on with it. */
const isContinuation = Uint8Array.from({ length: vocabSize }, (_, id) => Number(id >= 25));

function sampleOf(sentences: readonly number[][], target: number, seed: number, options: BertSampleOptions) {
  // rows beside it show what does not belong to it
  const batch = emptyBertBatch(3, options);
  const lengths = Int32Array.from(sentences, ({ length }) => length);
  writeBertSample(
    batch,
    1,
    { tokens: Int32Array.from(sentences.flat()), lengths, target },
    randomState(seed),
    options,
  );
  const { sequenceLength } = options;
  const untouched = emptyBertBatch(3, options);
  const row = (name: 'input_ids' | 'token_type_ids' | 'attention_mask' | 'labels') => {
    for (const other of [0, 2]) {
      const part = [other * sequenceLength, (other + 1) * sequenceLength] as const;
      expect(batch[name].subarray(...part)).toEqual(untouched[name].subarray(...part));
    }
    return [...batch[name].subarray(sequenceLength, 2 * sequenceLength)];
  };
  return {
    ids: row('input_ids'),
    types: row('token_type_ids'),
    attention: row('attention_mask'),
    labels: row('labels'),
    isSwapped: batch.next_sentence_label[1]!,
  };
}

const optionsOf = (fields: Partial<BertSampleOptions>): BertSampleOptions => ({
  sequenceLength: 32,
  seed: 1234,
  maskProbability: 0.15,
  vocabSize,
  tokens,
  isContinuation,
  ...fields,
});
const zeros = (length: number) => new Array<number>(length).fill(0);

describe("Megatron-LM's samples", () => {
  const sentences = [
    [5, 6, 25, 7, 8],
    [9, 10, 26, 27, 11, 12],
    [13, 14, 15, 28, 16, 17, 18],
  ];
  const labelled = (labels: number[]) => labels.flatMap((label, i) => (label === -100 ? [] : [[i, label]]));

  it('cut to 16 tokens', () => {
    const sample = sampleOf(sentences, 16, 1234, optionsOf({ sequenceLength: 24 }));
    expect(sample.ids).toEqual([
      ...[2, 13, 14, 15, 28, 4, 17, 4, 3, 5, 6, 25, 7, 8, 9, 10, 26, 27, 3],
      ...zeros(5),
    ]);
    expect(sample.types).toEqual([...zeros(9), ...zeros(10).fill(1), ...zeros(5)]);
    expect(sample.attention).toEqual([...zeros(19).fill(1), ...zeros(5)]);
    expect(labelled(sample.labels)).toEqual([
      [5, 16],
      [7, 18],
    ]);
    expect(sample.isSwapped).toBe(1);
  });

  it('of which many words are hidden', () => {
    const sample = sampleOf(sentences, 29, 1241, optionsOf({ maskProbability: 0.4 }));
    expect(sample.ids).toEqual([
      ...[2, 13, 4, 4, 4, 4, 17, 18, 3, 4, 4, 4, 7, 8, 4, 10, 26, 27, 11, 12, 3],
      ...zeros(11),
    ]);
    expect(labelled(sample.labels)).toEqual([
      [2, 14],
      [3, 15],
      [4, 28],
      [5, 16],
      [9, 5],
      [10, 6],
      [11, 25],
      [14, 9],
    ]);
    expect(sample.isSwapped).toBe(1);
  });
});

const cases = fc.record({
  sentences: fc.array(fc.array(fc.integer({ min: 5, max: vocabSize - 1 }), { minLength: 1, maxLength: 12 }), {
    minLength: 2,
    maxLength: 6,
  }),
  target: fc.integer({ min: 2, max: 37 }),
  maskProbability: fc.double({ min: 0.01, max: 1, noNaN: true }),
  seed: fc.nat(),
});

describe('any sample', () => {
  const sequenceLength = 40;

  it('is two runs of its sentences, parted where one ends, in the order that it says, cut to its target', () => {
    fc.assert(
      fc.property(cases, ({ sentences, target, maskProbability, seed }) => {
        const options = optionsOf({ sequenceLength, maskProbability });
        const { ids, types, attention, labels, isSwapped } = sampleOf(sentences, target, seed, options);
        const length = Math.min(target, sentences.flat().length) + specialTokens;
        expect(attention).toEqual([...zeros(length).fill(1), ...zeros(sequenceLength - length)]);
        expect(ids.slice(length)).toEqual(zeros(sequenceLength - length));
        expect(labels.slice(length)).toEqual(zeros(sequenceLength - length).fill(-100));
        const original = ids.slice(0, length).map((id, i) => (labels[i] === -100 ? id : labels[i]!));
        const middle = original.indexOf(tokens.sep);
        expect([original[0], original.at(-1)]).toEqual([tokens.cls, tokens.sep]);
        expect(types).toEqual(types.map((_, i) => Number(i > middle && i < length)));
        const segments = [original.slice(1, middle), original.slice(middle + 1, -1)];
        const [before, after] = isSwapped ? segments.reverse() : segments;
        expect(before!.length * after!.length).toBeGreaterThan(0);
        const isParted = sentences.some(
          (_, i) =>
            contains(sentences.slice(0, i).flat(), before!) && contains(sentences.slice(i).flat(), after!),
        );
        expect(isParted).toBe(true);
      }),
    );
  });

  it('has no more predictions than fit, none of a special token', () => {
    fc.assert(
      fc.property(cases, ({ sentences, target, maskProbability, seed }) => {
        const options = optionsOf({ sequenceLength, maskProbability });
        const labels = sampleOf(sentences, target, seed, options).labels.filter((label) => label !== -100);
        expect(labels.length).toBeLessThanOrEqual(maximumPredictions(sequenceLength, maskProbability));
        for (const label of labels) expect(label).toBeGreaterThan(tokens.mask);
      }),
    );
  });
});

const contains = (all: readonly number[], part: readonly number[]) =>
  all.some((_, i) => part.every((id, j) => all[i + j] === id));
