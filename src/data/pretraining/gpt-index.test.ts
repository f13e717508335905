import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gptIndex, type GptIndex } from './gpt-index.js';

/** The documents' tokens are numbered, so that each can be told from all others. */
function contents(lengths: readonly number[]): number[][] {
  let token = 0;
  return lengths.map((length) => Array.from({ length }, () => token++));
}

/** Tokens from the beginning of each sample to that of the next, and the one that they share. */
function cut({ documents, samples }: GptIndex, lengths: readonly number[]): number[][] {
  const all = contents(lengths);
  const laid = [...documents].map((document) => all[document]!);
  const starts = laid.map((_, i) => laid.slice(0, i).flat().length);
  const tokens = laid.flat();
  const places = Array.from({ length: samples.length / 2 }, (_, i) => {
    const [place, offset] = [samples[2 * i]!, samples[2 * i + 1]!];
    expect(offset).toBeLessThan(Math.max(1, laid[place]!.length));
    return starts[place]! + offset;
  });
  return places.slice(1).map((end, i) => tokens.slice(places[i], end + 1));
}

const cases = fc
  .record({
    lengths: fc.array(fc.nat(12), { minLength: 1, maxLength: 8 }),
    sequenceLength: fc.integer({ min: 1, max: 9 }),
    count: fc.nat(40),
    seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  })
  .filter(({ lengths }) => lengths.some((length) => length > 0));
const sorted = (numbers: Iterable<number>) => [...numbers].sort((a, b) => a - b);
const sum = (numbers: readonly number[]) => numbers.reduce((total, x) => total + x, 0);

describe('gptIndex', () => {
  it("is Megatron-LM's", () => {
    const { documents, samples, order } = gptIndex(Int32Array.of(5, 3, 8, 2, 6), 4, 10, 1234);
    expect([...documents]).toEqual([2, 2, 4, 1, 0, 3, 4, 0, 1, 3]);
    expect([...samples]).toEqual([0, 0, 0, 4, 1, 0, 1, 4, 2, 0, 2, 4, 3, 2, 4, 3, 6, 0, 6, 4, 7, 2, 8, 1]);
    expect([...order]).toEqual([3, 10, 2, 1, 7, 5, 4, 0, 8, 6, 9]);
  });

  it("has samples that are the documents' tokens in their order, with one shared token", () => {
    fc.assert(
      fc.property(cases, ({ lengths, sequenceLength, count, seed }) => {
        const index = gptIndex(Int32Array.from(lengths), sequenceLength, count, seed);
        const all = contents(lengths);
        const tokens = [...index.documents].flatMap((document) => all[document]!);
        const samples = cut(index, lengths);
        for (const [i, sample] of samples.entries())
          expect(sample).toEqual(tokens.slice(i * sequenceLength, (i + 1) * sequenceLength + 1));
        // less than a sample is left over
        expect(tokens.length - 1 - samples.length * sequenceLength).toBeLessThan(sequenceLength);
      }),
    );
  });

  it('has as many samples as are asked for, of no more epochs than they take, each document once an epoch', () => {
    fc.assert(
      fc.property(cases, ({ lengths, sequenceLength, count, seed }) => {
        const { documents, order, samples } = gptIndex(Int32Array.from(lengths), sequenceLength, count, seed);
        const epochs = documents.length / lengths.length;
        const samplesOf = (whole: number) => Math.floor((whole * sum(lengths) - 1) / sequenceLength);
        expect(order.length).toBe(samplesOf(epochs));
        expect(samples.length).toBe(2 * (order.length + 1));
        expect(order.length).toBeGreaterThanOrEqual(count);
        if (epochs > 1) expect(samplesOf(epochs - 1)).toBeLessThan(count);
        expect(sorted(documents)).toEqual(
          lengths.flatMap((_, document) => new Array<number>(epochs).fill(document)),
        );
        expect(sorted(order)).toEqual(Array.from(order, (_, i) => i));
      }),
    );
  });

  it('keeps a last epoch apart of which less than 80 % are needed', () => {
    const lengths = Int32Array.from({ length: 50 }, () => 20);
    // 99 samples in an epoch, 199 in two: 100 to 178 leave the second apart (79 is 80 % of 99)
    for (const [count, isSeparate] of [
      [100, true],
      [177, true],
      [178, false],
      [199, false],
    ] as const) {
      const { documents, order } = gptIndex(lengths, 10, count, 3);
      const first = [...documents.subarray(0, 50)];
      expect(new Set(first).size === 50).toBe(isSeparate);
      expect(Math.max(...order.subarray(0, 99)) < 99).toBe(isSeparate);
    }
  });
});
