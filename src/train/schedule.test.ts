import { expect, test } from 'vitest';
import { learningRateAt } from './schedule.js';

// Megatron-LM 2.x's published values, counted in iterations: 1e-4 → 1e-5, 9,900 of 990,000 to warm up
const schedule = {
  learningRate: 1e-4,
  minLearningRate: 1e-5,
  warmupIterations: 9900,
  decayIterations: 990_000,
};

test.each([
  [0, 0],
  [1, 1.010101e-8],
  [4950, 5e-5],
  [9900, 1e-4],
  [500_000, 5.499541e-5],
  [980_100, 1.090909e-5],
  [990_000, 1e-5],
  [2_000_000, 1e-5],
])('after %i iterations', (completed, expected) => {
  expect(learningRateAt(completed, schedule) / (expected || 1)).toBeCloseTo(expected ? 1 : 0, 5);
});

test('without a warm-up the first rate is the highest', () => {
  expect(learningRateAt(0, { ...schedule, warmupIterations: 0 })).toBe(1e-4);
});
