import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { fixture, readJson } from '../../../test/support/fixture.js';
import { readAnyTokenizer } from '../../text/tokenizer-files.js';
import { countWindows, readWikitext103, wikitext103Result, wikitext103Windows } from './wikitext103.js';

interface Result {
  readonly loss: number;
  readonly perplexity: number;
  readonly adjusted_perplexity: number;
  readonly token_ratio: number;
}

const cases = readJson(fixture('benchmarks/windows.json')) as readonly {
  readonly tokens: number;
  readonly sequence_length: number;
  readonly stride: number;
  readonly text: readonly (readonly number[])[];
  readonly mask: readonly (readonly number[])[];
  readonly results: readonly (Result & { readonly loss_sum: number; readonly original_tokens: number })[];
}[];
const file = readJson(fixture('benchmarks/wikitext103.json')) as {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly original_tokens: number;
  readonly cases: readonly {
    readonly sequence_length: number;
    readonly stride: number;
    readonly loss_sums: readonly number[];
    readonly loss_sum: number;
    readonly result: Result;
  }[];
};

const numbered = (count: number) => Int32Array.from({ length: count }, (_, i) => i + 1);
const windowsOf = (tokens: Int32Array, sequenceLength: number, stride: number) => [
  ...wikitext103Windows(tokens, { sequenceLength, stride, pad: 999 }),
];

function expectResult(found: ReturnType<typeof wikitext103Result>, expected: Result): void {
  expect(found.loss / expected.loss).toBeCloseTo(1, 9);
  expect(found.perplexity / expected.perplexity).toBeCloseTo(1, 9);
  expect(found.adjustedPerplexity / expected.adjusted_perplexity).toBeCloseTo(1, 9);
  expect(found.tokenRatio / expected.token_ratio).toBeCloseTo(1, 9);
}

describe('wikitext103Windows', () => {
  it.each(cases)(
    "are Megatron-LM's of $tokens tokens, $sequence_length at once, $stride apart, but for empty ones",
    ({ tokens, sequence_length, stride, text, mask }) => {
      const counting = text.flatMap((ids, i) => (mask[i]!.includes(1) ? [{ ids, mask: mask[i]! }] : []));
      const found = windowsOf(numbered(tokens), sequence_length, stride);
      expect(found.map(({ input_ids }) => [...input_ids])).toEqual(
        counting.map(({ ids }) => ids.slice(0, -1)),
      );
      expect(found.map(({ labels }) => [...labels])).toEqual(
        counting.map(({ ids, mask: counts }) => counts.map((one, i) => (one === 1 ? ids[i + 1] : -100))),
      );
    },
  );

  it('count every token but the first once, each predicted from those before it', () => {
    const sizes = fc
      .record({
        tokens: fc.integer({ min: 2, max: 200 }),
        sequenceLength: fc.integer({ min: 1, max: 40 }),
        share: fc.double({ min: 0, max: 1, noNaN: true }),
      })
      .map(({ share, ...rest }) => ({ ...rest, stride: 1 + Math.floor(share * (rest.sequenceLength - 1)) }));
    fc.assert(
      fc.property(sizes, ({ tokens, sequenceLength, stride }) => {
        const windows = windowsOf(numbered(tokens), sequenceLength, stride);
        expect(windows.length).toBe(countWindows(tokens, { sequenceLength, stride }));
        const labels = windows.map((window) => [...window.labels].filter((label) => label !== -100));
        for (const [i, counted] of labels.entries()) {
          expect(counted.length).toBeGreaterThan(0);
          if (i > 0) expect(counted.length).toBeLessThanOrEqual(stride);
        }
        expect(labels.flat()).toEqual([...numbered(tokens).subarray(1)]);
        for (const window of windows) {
          expect(window.input_ids.length).toBe(sequenceLength);
          expect(window.labels.length).toBe(sequenceLength);
          window.labels.forEach((label, position) => {
            if (label === -100) return;
            const context = [...window.input_ids.subarray(0, position + 1)];
            expect(context).toEqual(context.map((_, place) => label - context.length + place));
          });
        }
      }),
    );
  });

  it.each([0, 5, 1.5, NaN])('refuse a stride of %d for 4 tokens at once', (stride) => {
    expect(() => windowsOf(numbered(9), 4, stride)).toThrow('stride: expected 1 to 4');
  });

  it('refuse a single token', () => {
    expect(() => windowsOf(numbered(1), 4, 2)).toThrow('at least two tokens, found 1');
  });
});

describe('wikitext103Result', () => {
  it.each(cases.flatMap(({ tokens, results }) => results.map((result) => ({ tokens, ...result }))))(
    'is of a sum of $loss_sum, $tokens tokens and $original_tokens words: $adjusted_perplexity',
    ({ tokens, loss_sum, original_tokens, ...expected }) => {
      const found = wikitext103Result({ lossSum: loss_sum, tokens, originalTokens: original_tokens });
      expectResult(found, expected);
    },
  );

  it('has a greatest perplexity', () => {
    const { loss, perplexity } = wikitext103Result({ lossSum: 25, tokens: 2, originalTokens: 2 });
    expect([loss, perplexity]).toEqual([25, Math.exp(20)]);
  });

  it('refuses a text of one word or one token', () => {
    expect(() => wikitext103Result({ lossSum: 1, tokens: 5, originalTokens: 1 })).toThrow('two words');
    expect(() => wikitext103Result({ lossSum: 1, tokens: 1, originalTokens: 5 })).toThrow('two tokens');
  });
});

describe('a file', () => {
  let encode: (text: string) => readonly number[];
  beforeAll(async () => {
    const tokenizer = await readAnyTokenizer(fixture('gpt2-tokenizer/plain'));
    encode = (text) => tokenizer.tokenize(text);
  });

  it('has the tokens of its detokenised text, and the words of its own', () => {
    const { tokens, originalTokens } = readWikitext103(file.text, encode);
    expect([...tokens]).toEqual(file.tokens);
    expect(originalTokens).toBe(file.original_tokens);
  });

  it.each(file.cases)(
    'has the result of the losses of its windows: $sequence_length at once, $stride apart',
    ({ sequence_length, stride, loss_sums, loss_sum, result }) => {
      const tokens = file.tokens.length;
      expect(countWindows(tokens, { sequenceLength: sequence_length, stride })).toBe(loss_sums.length);
      expectResult(
        wikitext103Result({ lossSum: loss_sum, tokens, originalTokens: file.original_tokens }),
        result,
      );
    },
  );
});
