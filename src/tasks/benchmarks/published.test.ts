import { describe, expect, it } from 'vitest';
import { besidePublished, publishedFineTuning, publishedResults } from './published.js';

describe('besidePublished', () => {
  it('shows a result over the published ones', () => {
    expect(besidePublished('mnli', { matched: 84.25, mismatched: 83.9 })).toBe(
      [
        'MNLI, development sets, accuracy in per cent; published: arXiv 1909.08053, table 5',
        'model          matched  mismatched',
        'this one          84.3        83.9',
        'Megatron 336M     89.7        90.0',
        'Megatron 1.3B     90.9        91.0',
        'Megatron 3.9B     91.4        91.4',
      ].join('\n'),
    );
  });

  it('leaves out what was not computed, and shows two digits where they were published', () => {
    expect(besidePublished('race', { high: 60 })).toContain('this one          –       –  60.0');
    expect(besidePublished('wikitext103', { adjusted_perplexity: 29.7 })).toContain('29.70');
    expect(besidePublished('lambada', { accuracy: 45 })).toContain('Megatron 2.5B     61.73');
  });

  it("refuses another benchmark's metric, and none", () => {
    const wrong = { matched: 1 } as object;
    expect(() => besidePublished('qqp', wrong)).toThrow('result of qqp: expected accuracy, found matched');
    expect(() => besidePublished('qqp', {})).toThrow('found nothing');
  });
});

it('has three sizes of each benchmark, and how each was fine-tuned', () => {
  const names = (rows: readonly { readonly benchmark: string; readonly model: string }[]) =>
    rows.map(({ benchmark, model }) => `${benchmark} ${model}`);
  expect(new Set(names(publishedResults)).size).toBe(21);
  expect(names(publishedFineTuning)).toEqual(
    names(publishedResults).filter((name) => !/wikitext|lambada/.test(name)),
  );
  for (const { result } of publishedResults)
    for (const value of Object.values(result)) expect(value).toBeGreaterThan(10);
});

it('has larger models do better', () => {
  for (const benchmark of new Set(publishedResults.map((row) => row.benchmark))) {
    const rows = publishedResults.filter((row) => row.benchmark === benchmark);
    const sign = benchmark === 'wikitext103' ? -1 : 1;
    for (const metric of Object.keys(rows[0]!.result)) {
      const values = rows.map(({ result }) => sign * result[metric]!);
      expect(values).toEqual([...values].sort((a, b) => a - b));
    }
  }
});
