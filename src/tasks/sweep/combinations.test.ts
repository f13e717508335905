import fc from 'fast-check';
import { expect, test } from 'vitest';
import { expectFrequencies } from '../../../test/support/chi-square.js';
import { combinations, valueAt } from './combinations.js';
import { readSweep, type RunParameters, type SweepConfiguration } from './configuration.js';

async function first(count: number, given: SweepConfiguration): Promise<RunParameters[]> {
  const taken: RunParameters[] = [];
  for (const one of combinations(await readSweep(given))) {
    if (taken.length === count) break;
    taken.push(one);
  }
  return taken;
}

test('a grid has every combination in the order of its parameters', async () => {
  const parameters = {
    lora_r: { values: [8, 4] },
    head_only: { values: [true, false] },
    seed: { values: [1] },
  };
  expect(await first(9, { method: 'grid', parameters })).toEqual([
    { lora_r: 8, head_only: true, seed: 1 },
    { lora_r: 8, head_only: false, seed: 1 },
    { lora_r: 4, head_only: true, seed: 1 },
    { lora_r: 4, head_only: false, seed: 1 },
  ]);
});

test('what is drawn of values and integers is every combination once, in an order that the seed gives', async () => {
  const parameters = {
    warmup_steps: { min: 0, max: 4, distribution: 'int_uniform' },
    lr_scheduler_type: { values: ['linear', 'cosine', 'constant'] },
  } as const;
  const drawn = await first(99, { method: 'random', parameters });
  expect(drawn).toHaveLength(15);
  expect(new Set(drawn.map((one) => JSON.stringify(one)))).toHaveProperty('size', 15);
  expect(await first(99, { method: 'random', parameters })).toEqual(drawn);
  expect(await first(15, { method: 'random', parameters, seed: 43 })).not.toEqual(drawn);
});

test('a run has the numbers that its parameters have by themselves', async () => {
  const rate = { min: 1e-5, max: 1e-3, distribution: 'log_uniform' } as const;
  const common = { method: 'random', budget: { runs: 5 } } as const;
  const alone = await first(5, { ...common, parameters: { learning_rate: rate } });
  const both = await first(5, {
    ...common,
    parameters: { weight_decay: { min: 0, max: 1 }, learning_rate: rate },
  });
  expect(both.map(({ learning_rate }) => ({ learning_rate }))).toEqual(alone);
});

test('numbers lie within their range, and greater shares give no smaller ones', () => {
  const number = fc.double({ min: 1e-9, max: 1e9, noNaN: true });
  const distribution = fc.constantFrom('uniform' as const, 'log_uniform' as const);
  const share = fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((bits) => bits / 2 ** 32);
  fc.assert(
    fc.property(number, number, distribution, share, share, (a, b, distribution, one, other) => {
      fc.pre(a !== b);
      const range = { min: Math.min(a, b), max: Math.max(a, b), distribution };
      const [low, high] = [Math.min(one, other), Math.max(one, other)].map((at) =>
        Number(valueAt(range, at)),
      );
      expect(low).toBeGreaterThanOrEqual(range.min);
      expect(high).toBeLessThanOrEqual(range.max);
      expect(high).toBeGreaterThanOrEqual(low! * (1 - 1e-12));
    }),
  );
  expect(valueAt({ min: 1e-5, max: 1e-3, distribution: 'log_uniform' }, 0.5)).toBeCloseTo(1e-4, 12);
  expect(valueAt({ min: 2, max: 4, distribution: 'uniform' }, 0.5)).toBe(3);
});

test('each of a range is as likely as the others, its ends too', async () => {
  const runs = 4000;
  const parameters = {
    freeze_layers: { min: 2, max: 4, distribution: 'int_uniform' },
    lora_r: { values: [1, 2, 4, 8] },
    learning_rate: { min: 1e-6, max: 1e-2, distribution: 'log_uniform' },
  } as const;
  const drawn = await first(runs, { method: 'random', parameters, budget: { runs } });
  const counts = (bins: number, binOf: (one: RunParameters) => number) => {
    const all = new Array<number>(bins).fill(0);
    for (const one of drawn) all[binOf(one)]!++;
    return all;
  };
  expectFrequencies(
    counts(3, (one) => Number(one.freeze_layers) - 2),
    [1, 1, 1],
  );
  expectFrequencies(
    counts(4, (one) => Math.log2(Number(one.lora_r))),
    [1, 1, 1, 1],
  );
  const decade = (one: RunParameters) => Math.floor(Math.log10(Number(one.learning_rate)) + 6);
  expectFrequencies(counts(4, decade), [1, 1, 1, 1]);
});
