import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bertMapping, isMapped, longestSentence, type BertMappingOptions } from './bert-mapping.js';

type Row = [first: number, end: number, target: number];

/** Rows of each epoch. @param documents tokens of their sentences */
function epochs(documents: readonly number[][], options: BertMappingOptions, count: number): Row[][] {
  const map = bertMapping(options);
  return Array.from({ length: count }, () => {
    const rows: Row[] = [];
    let first = 0;
    for (const lengths of documents) {
      map({ first, lengths: Int32Array.from(lengths) }, (...row) => rows.push(row));
      first += lengths.length;
    }
    return rows;
  });
}

const documentsArbitrary = fc.array(
  fc.array(fc.oneof({ weight: 40, arbitrary: fc.nat(30) }, fc.integer({ min: 510, max: 515 })), {
    maxLength: 12,
  }),
  { maxLength: 10 },
);
const optionsArbitrary = fc.record({
  longest: fc.integer({ min: 2, max: 70 }),
  shortSequenceProbability: fc.constantFrom(0, 0.1, 0.3, 0.5, 1),
  seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
});

describe('bertMapping', () => {
  it('goes on with its draws from document to document and from epoch to epoch', () => {
    const documents = [[5, 7, 9, 4], [12], [3, 8, 6, 10, 2, 7], [11, 5, 9]];
    const rows = epochs(documents, { longest: 13, shortSequenceProbability: 0.1, seed: 1234 }, 3);
    expect(rows.map((epoch) => epoch.map(([first, end]) => [first, end]))).toEqual(
      Array.from({ length: 3 }, () => [
        [0, 4],
        [5, 8],
        [8, 11],
        [11, 14],
      ]),
    );
    const targets = epochs(documents, { longest: 13, shortSequenceProbability: 0.5, seed: 1234 }, 5);
    expect(new Set(targets.map((epoch) => epoch.map(([, , target]) => target).join())).size).toBe(5);
  });

  it('takes every sentence of the documents that it maps once an epoch, in order', () => {
    fc.assert(
      fc.property(documentsArbitrary, optionsArbitrary, (documents, options) => {
        const expected: number[] = [];
        let first = 0;
        for (const lengths of documents) {
          const isUsed = lengths.length > 1 && Math.max(...lengths) <= 512;
          expect(isMapped(Int32Array.from(lengths))).toBe(isUsed);
          for (let i = 0; i < lengths.length; i++) if (isUsed) expected.push(first + i);
          first += lengths.length;
        }
        for (const rows of epochs(documents, options, 3)) {
          const sentences = rows.flatMap(([start, end]) =>
            Array.from({ length: end - start }, (_, i) => start + i),
          );
          expect(sentences).toEqual(expected);
        }
      }),
    );
  });

  it('ends a sample where it is full, but leaves no sentence alone', () => {
    fc.assert(
      fc.property(documentsArbitrary, optionsArbitrary, (documents, options) => {
        const lengths = documents.flat();
        const ends = documents.map((_, i) => documents.slice(0, i + 1).flat().length);
        const tokens = (first: number, end: number) =>
          lengths.slice(first, end).reduce((sum, length) => sum + length, 0);
        for (const [first, end, target] of epochs(documents, options, 2).flat()) {
          const documentEnd = ends.find((place) => place > first)!;
          expect(end).toBeLessThanOrEqual(documentEnd);
          expect(end - first).toBeGreaterThanOrEqual(2);
          expect(documentEnd - end).not.toBe(1);
          if (end < documentEnd) expect(tokens(first, end)).toBeGreaterThanOrEqual(target);
          for (let earlier = first + 2; earlier < end; earlier++)
            if (documentEnd - earlier > 1) expect(tokens(first, earlier)).toBeLessThan(target);
        }
      }),
    );
  });

  it('draws targets from 2 up to the longest, and only the longest without short ones', () => {
    fc.assert(
      fc.property(documentsArbitrary, optionsArbitrary, (documents, options) => {
        for (const [, , target] of epochs(documents, options, 3).flat()) {
          expect(target).toBeGreaterThanOrEqual(options.shortSequenceProbability === 0 ? options.longest : 2);
          expect(target).toBeLessThanOrEqual(options.longest);
        }
      }),
    );
  });

  it('leaves out a document with a sentence that is too long', () => {
    const options = { longest: 20, shortSequenceProbability: 0, seed: 1 };
    const rows = (length: number) =>
      epochs(
        [
          [length, 3],
          [4, 4],
        ],
        options,
        1,
      )[0];
    expect(rows(longestSentence)).toEqual([
      [0, 2, 20],
      [2, 4, 20],
    ]);
    expect(rows(longestSentence + 1)).toEqual([[2, 4, 20]]);
  });

  it('maps a document of 10⁶ sentences', () => {
    const lengths = Array.from({ length: 1e6 }, (_, i) => 1 + (i % 9));
    const [rows] = epochs([lengths], { longest: 125, shortSequenceProbability: 0.1, seed: 7 }, 1);
    expect(rows!.at(-1)![1]).toBe(1e6);
    expect(rows!.every(([first], i) => first === (i === 0 ? 0 : rows![i - 1]![1]))).toBe(true);
  });
});
