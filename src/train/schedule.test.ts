import { describe, expect, test } from 'vitest';
import { readGzippedJson } from '../../test/support/fixture.js';
import { learningRateAt, microBatchesAt, type DecayStyle, type LearningRateSchedule } from './schedule.js';

const megatron = readGzippedJson('schedules.json.gz') as {
  readonly rates: readonly (LearningRateSchedule & { readonly rates: readonly number[] })[];
  readonly ramps: readonly {
    readonly rampup: readonly [number, number, number];
    readonly globalBatchSize: number;
    readonly sizes: readonly number[];
  }[];
};

test.each(megatron.rates)(
  'as Megatron-LM over 1,000 iterations: $decayStyle, $warmupIterations of $decayIterations to warm up',
  ({ rates, ...schedule }) => {
    for (const [i, rate] of rates.entries())
      expect(Math.abs(learningRateAt(i, schedule) - rate), `iteration ${i}`).toBeLessThanOrEqual(1e-6 * rate);
  },
);

test.each(megatron.ramps)(
  'as Megatron-LM over 1,000 iterations: a batch that grows by $rampup to $globalBatchSize',
  ({ rampup: [start, increment, samples], globalBatchSize, sizes }) => {
    const batches = { globalBatchSize, microBatchSize: 4, rampUp: { start, increment, samples } };
    let consumed = 0;
    for (const size of sizes) {
      expect(4 * microBatchesAt(consumed, batches), `after ${consumed} samples`).toBe(size);
      consumed += size;
    }
  },
);

// values that Megatron-LM 2.x computes, counted in iterations
const linear = {
  learningRate: 1e-4,
  minLearningRate: 1e-5,
  warmupIterations: 9900,
  decayIterations: 990_000,
  decayStyle: 'linear',
} as const;
const cosine = {
  learningRate: 1.5e-4,
  minLearningRate: 1e-5,
  warmupIterations: 3200,
  decayIterations: 320_000,
  decayStyle: 'cosine',
} as const;

test.each([
  [0, 0],
  [1, 1.010101e-8],
  [4950, 5e-5],
  [9900, 1e-4],
  [500_000, 5.499541e-5],
  [980_100, 1.090909e-5],
  [990_000, 1e-5],
  [2_000_000, 1e-5],
])('BERT, after %i iterations', (completed, expected) => {
  expect(learningRateAt(completed, linear) / (expected || 1)).toBeCloseTo(expected ? 1 : 0, 5);
});

test.each([
  [3200, 1.5e-4],
  [160_000, 8.111062e-5],
  [320_000, 1e-5],
  [320_001, 1e-5],
])('GPT-2, after %i iterations', (completed, expected) => {
  expect(learningRateAt(completed, cosine) / expected).toBeCloseTo(1, 6);
});

test('without a warm-up the first rate is the highest', () => {
  for (const decayStyle of ['linear', 'cosine', 'constant', 'inverse-square-root'] as const)
    expect(learningRateAt(0, { ...linear, decayStyle, warmupIterations: 0 })).toBe(1e-4);
});

describe('over 1,000 iterations', () => {
  const [highest, least, warmup, decay] = [3e-4, 2e-5, 60, 800];
  // as the paper and its successors put it, with w the share of the way down
  const expected: Record<DecayStyle, (iteration: number) => number> = {
    linear: (i) => highest - (highest - least) * ((i - warmup) / (decay - warmup)),
    cosine: (i) =>
      least + (highest - least) * Math.cos((Math.PI / 2) * ((i - warmup) / (decay - warmup))) ** 2,
    constant: () => highest,
    'inverse-square-root': (i) => highest / Math.sqrt(i / warmup),
  };
  test.each(Object.entries(expected))('%s', (style, rate) => {
    const schedule = {
      learningRate: highest,
      minLearningRate: least,
      warmupIterations: warmup,
      decayIterations: decay,
      decayStyle: style as DecayStyle,
    };
    for (let i = 0; i <= 1000; i++) {
      const afterDecay = i > decay && style !== 'constant';
      const value = i <= warmup ? (highest / warmup) * i : afterDecay ? least : Math.max(least, rate(i));
      expect(Math.abs(learningRateAt(i, schedule) - value)).toBeLessThanOrEqual(1e-6 * value);
    }
  });
});

describe('a batch that grows', () => {
  test('as Megatron-LM counts it: by increments, each for the same number of samples', () => {
    const batches = {
      globalBatchSize: 32,
      microBatchSize: 4,
      rampUp: { start: 8, increment: 8, samples: 300 },
    };
    const sizes: number[] = [];
    for (let consumed = 0; consumed <= 400; consumed += sizes.at(-1)!)
      sizes.push(4 * microBatchesAt(consumed, batches));
    // 3 increments in 300 samples: 8 until 100 are consumed, 16 until 200, 24 until 300
    const expected: number[] = [];
    for (let consumed = 0; consumed <= 400; consumed += expected.at(-1)!)
      expected.push(consumed < 100 ? 8 : consumed < 200 ? 16 : consumed < 300 ? 24 : 32);
    expect(sizes).toEqual(expected);
  });

  test('or does not', () => {
    expect(microBatchesAt(7, { globalBatchSize: 32, microBatchSize: 4 })).toBe(8);
  });
});
