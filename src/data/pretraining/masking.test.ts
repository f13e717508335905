import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maximumPredictions, maskWords } from './masking.js';
import { randomState } from './random-state.js';

const tokens = { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4 };
const vocabSize = 30;
/** Pieces 5 to 19 begin a word, 20 to 29 go on with it. */
const isContinuation = Uint8Array.from({ length: vocabSize }, (_, id) => Number(id >= 20));

function mask(original: readonly number[], maskProbability: number, seed = 0, target = original.length - 3) {
  const ids = Int32Array.from(original);
  const labels = new Map<number, number>();
  maskWords(
    ids,
    target,
    randomState(seed),
    { maskProbability, vocabSize, tokens, isContinuation },
    (position, id) => {
      expect(labels.has(position)).toBe(false);
      labels.set(position, id);
    },
  );
  return { ids: [...ids], labels };
}

const segment = fc.array(fc.integer({ min: 5, max: vocabSize - 1 }), { minLength: 1, maxLength: 25 });
const samples = fc.tuple(segment, segment).map(([a, b]) => [tokens.cls, ...a, tokens.sep, ...b, tokens.sep]);
const probabilities = fc.double({ min: 0.01, max: 1, noNaN: true });

/** Positions of each word; what goes on with a word may be parted from it by a [SEP]. */
function wordsOf(ids: readonly number[]): number[][] {
  const words: number[][] = [];
  ids.forEach((id, position) => {
    if (id === tokens.cls || id === tokens.sep) return;
    if (isContinuation[id] && words.length > 0) words.at(-1)!.push(position);
    else words.push([position]);
  });
  return words;
}

describe('maskWords', () => {
  it('hides words whole, and says what was there', () => {
    fc.assert(
      fc.property(samples, probabilities, fc.nat(), (original, probability, seed) => {
        const { ids, labels } = mask(original, probability, seed);
        expect(ids.map((id, position) => labels.get(position) ?? id)).toEqual(original);
        for (const word of wordsOf(original))
          expect(new Set(word.map((position) => labels.has(position))).size).toBe(1);
      }),
    );
  });

  it('hides one token at least where one may be, and no more than the share of them that is wanted', () => {
    fc.assert(
      fc.property(samples, probabilities, fc.nat(), (original, probability, seed) => {
        const { size } = mask(original, probability, seed).labels;
        const most = probability * (original.length - 3);
        expect(size).toBeLessThanOrEqual(Math.min(most, Math.max(1, original.length * probability + 0.5)));
        const hasShortWord = wordsOf(original).some(({ length }) => length === 1);
        if (most >= 1 && hasShortWord) expect(size).toBeGreaterThan(0);
      }),
    );
  });

  it('hides nothing of a sample that is too short for one prediction', () => {
    expect(mask([2, 5, 3, 6, 3], 0.4).labels.size).toBe(0);
    expect(mask([2, 5, 3, 6, 3], 0.5).labels.size).toBe(1);
  });

  it('hides a word with its end behind a [SEP], and a first piece without its beginning', () => {
    for (let seed = 0; seed < 20; seed++) {
      const places = [...mask([2, 20, 5, 3, 21, 6, 3], 0.5, seed, 4).labels.keys()].sort((a, b) => a - b);
      expect(['2,4', '1,5']).toContain(places.join());
    }
  });
});

describe('maximumPredictions', () => {
  it.each([
    [512, 0.15, 76],
    [128, 0.15, 18],
    [23, 0.15, 3],
    [8, 0.15, 0],
  ])('of %d tokens at %d are %d', (sequenceLength, probability, count) => {
    expect(maximumPredictions(sequenceLength, probability)).toBe(count);
  });
});
