import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blend, samplesOfShare } from './blend.js';

function blended(weights: readonly number[], count: number): [dataset: number, sample: number][] {
  const rows: [number, number][] = [];
  blend(weights, count, (dataset, sample) => rows.push([dataset, sample]));
  return rows;
}

const blends = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 8 }).map((weights) => {
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
});

describe('blend', () => {
  it('chooses as Megatron-LM does', () => {
    expect(blended([0.3, 0.5, 0.2], 12)).toEqual([
      [1, 0],
      [0, 0],
      [2, 0],
      [1, 1],
      [0, 1],
      [1, 2],
      [2, 1],
      [1, 3],
      [0, 2],
      [1, 4],
      [0, 3],
      [1, 5],
    ]);
  });

  it('takes the samples of each data set in their order, as many as its weight says, at any moment', () => {
    fc.assert(
      fc.property(blends, fc.nat(400), (weights, count) => {
        const taken = weights.map(() => 0);
        // who empties the fullest of n vessels, into which 1 flows in all, keeps each below 1 + 1/2 + … + 1/n
        const mostBehind = weights.reduce((sum, _, i) => sum + 1 / (i + 1), 0);
        for (const [i, [dataset, sample]] of blended(weights, count).entries()) {
          expect(sample).toBe(taken[dataset]!++);
          const ahead = weights.map((weight, k) => taken[k]! - weight * (i + 1));
          expect(Math.max(...ahead)).toBeLessThan(1 + 1e-9);
          expect(-Math.min(...ahead)).toBeLessThan(mostBehind + 1e-9);
        }
      }),
    );
  });

  it('never takes more of a data set than it is asked for', () => {
    fc.assert(
      fc.property(blends, fc.nat(400), (weights, count) => {
        for (const [dataset, sample] of blended(weights, count))
          expect(sample).toBeLessThan(samplesOfShare(weights[dataset]!, count));
      }),
    );
  });
});
