import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { randomKey, randomUniform } from '../random.js';
import { maskWords } from './masking.js';

const special = { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4 };
const vocabSize = 30;
/** Pieces 5 to 19 begin a word, 20 to 29 go on with it. */
const isContinuation = Uint8Array.from({ length: vocabSize }, (_, id) => Number(id >= 20));

function mask(original: readonly number[], count: number, seed = 0) {
  const ids = [...original];
  let draws = 0;
  const uniform = () => randomUniform(randomKey(seed), draws++);
  const labels = maskWords(ids, uniform, { count, vocabSize, special, isContinuation });
  return { ids, labels };
}

const segment = fc.array(fc.integer({ min: 5, max: vocabSize - 1 }), { minLength: 1, maxLength: 15 });
const sequences = fc
  .tuple(segment, segment)
  .map(([a, b]) => [special.cls, ...a, special.sep, ...b, special.sep]);
const seeds = fc.nat();
const counts = fc.integer({ min: 1, max: 12 });

describe('maskWords', () => {
  it('hides at least one token, at most as many as it may, and says what was there', () => {
    fc.assert(
      fc.property(sequences, counts, seeds, (original, count, seed) => {
        const { ids, labels } = mask(original, count, seed);
        expect(labels.size).toBeGreaterThan(0);
        expect(labels.size).toBeLessThanOrEqual(count);
        expect(ids.map((id, position) => labels.get(position) ?? id)).toEqual(original);
        for (const label of labels.values()) expect(label).toBeGreaterThan(special.mask);
      }),
    );
  });

  it('hides a word whole or not at all, unless none is short enough', () => {
    fc.assert(
      fc.property(sequences, counts, seeds, (original, count, seed) => {
        const { labels } = mask(original, count, seed);
        const words: number[][] = [];
        original.forEach((id, position) => {
          if (id <= special.mask) return;
          const isNew = !isContinuation[id] || original[position - 1]! <= special.mask;
          if (isNew) words.push([position]);
          else words.at(-1)!.push(position);
        });
        const partly = words.filter((word) => new Set(word.map((place) => labels.has(place))).size > 1);
        if (words.some((word) => word.length <= count)) expect(partly).toEqual([]);
        else expect(labels.size).toBe(count);
      }),
    );
  });

  it('hides all that it may where words are single pieces', () => {
    const original = [special.cls, 5, 6, 7, 8, special.sep, 9, 10, 11, special.sep];
    expect(mask(original, 3).labels.size).toBe(3);
    expect([...mask(original, 100).labels.keys()].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 6, 7, 8]);
  });

  it('hides a part of a word where all are too long', () => {
    const original = [special.cls, 5, 20, 21, special.sep, 6, 22, 23, special.sep];
    const places = [...mask(original, 2).labels.keys()];
    expect([[1, 2].join(), [5, 6].join()]).toContain(places.join());
  });

  it('ends a word with its segment', () => {
    const hidden = Array.from({ length: 20 }, (_, seed) => [
      ...mask([special.cls, 20, special.sep, 21, special.sep], 1, seed).labels.keys(),
    ]);
    expect(new Set(hidden.flat())).toEqual(new Set([1, 3]));
  });
});
