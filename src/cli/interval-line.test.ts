import { expect, test } from 'vitest';
import type { StepEvent } from '../train/events.js';
import { createIntervalLine } from './interval-line.js';

const step = (iteration: number, fields: Partial<StepEvent> = {}): StepEvent => ({
  kind: 'step',
  iteration,
  loss: 7.5,
  lm_loss: 7,
  next_sentence_loss: 0.5,
  learning_rate: 1e-4,
  global_batch_size: 16,
  consumed_samples: 16 * iteration,
  gradient_norm: 1.25,
  seconds: 0.5,
  data_seconds: 0,
  tokens_per_second: 1,
  model_flops_per_second: 4e10,
  peak_flops_per_second: 1e11,
  memory: 1e9,
  ...fields,
});
const skipped = { lm_loss: NaN, next_sentence_loss: NaN, gradient_norm: NaN, skipped: true } as const;

test("a line has Megatron-LM's fields, with means over the interval", () => {
  const line = createIntervalLine({ interval: 4, iterations: 1000, sequenceLength: 128 });
  const steps = [
    step(1, { lm_loss: 8, next_sentence_loss: 0.75 }),
    step(2, skipped),
    step(3, { seconds: 1.5, model_flops_per_second: 2e10 }),
    step(4, { lm_loss: 6, next_sentence_loss: 0.25, learning_rate: 0.00012345 }),
  ];
  expect(steps.map(line)).toEqual([
    undefined,
    undefined,
    undefined,
    ' iteration        4/    1000 | consumed samples:           64 | elapsed time per iteration (ms): 750.0 |' +
      ' learning rate: 1.234E-04 | global batch size:    16 | lm loss: 7.000000E+00 | sop loss: 5.000000E-01 |' +
      ' grad norm: 1.250 | number of skipped iterations:   1 | tokens/s: 2730.7 |' +
      ' model GFLOP/s: 30.0 (30.0 % of the measured peak) |',
  ]);
  // the next interval begins anew
  const next = [5, 6, 7, 8].map((iteration) => line(step(iteration, { lm_loss: 12 }))).at(-1);
  expect(next).toContain('| lm loss: 1.200000E+01 |');
  expect(next).toContain('| number of skipped iterations:   0 |');
});

test('where all were skipped there are no losses', () => {
  const line = createIntervalLine({ interval: 1, iterations: 10, sequenceLength: 8 });
  expect(line(step(1, skipped))).not.toMatch(/loss|norm|NaN/);
});

test('a run that goes on keeps to the multiples of the interval', () => {
  const line = createIntervalLine({ interval: 100, iterations: 1000, sequenceLength: 8 });
  expect([199, 200, 201].map((iteration) => line(step(iteration)) !== undefined)).toEqual([
    false,
    true,
    false,
  ]);
});
