import { expect, test } from 'vitest';
import { scheduleChart } from './chart.js';
import { estimate } from './estimate.js';
import { builtInMachines } from './machines.js';
import { modelOfSizes } from './model-sizes.js';
import { settingsOf } from './settings.js';
import { costsOf } from './step.js';

const machine = builtInMachines['dgx-a100'];
const model = modelOfSizes({ layers: 8, hiddenSize: 1024, heads: 16 }, 'model');

function estimated(pipeline: number, data: number, globalBatchSize: number) {
  const settings = settingsOf(
    model,
    { globalBatchSize, precision: 'fp16', distributedOptimizer: false },
    { mesh: { tensor: 1, pipeline, data }, microBatchSize: 1, chunks: 1, recomputation: 'none' },
  );
  return estimate(model, machine, costsOf(model, machine, settings));
}

test('every event is drawn, on its row, within the frame', () => {
  const found = estimated(4, 2, 16);
  const svg = scheduleChart(found, 'a step');
  const bars = [...svg.matchAll(/M([\d.]+) ([\d.]+)H([\d.]+)v/g)].map(([, ...numbers]) =>
    numbers.map(Number),
  );
  expect(bars).toHaveLength(found.step.events.length);
  expect(new Set(bars.map(([, y]) => y)).size).toBe(4);
  for (const [from, , to] of bars) {
    expect(from).toBeGreaterThanOrEqual(68);
    expect(to).toBeGreaterThanOrEqual(from!);
    expect(to).toBeLessThanOrEqual(960 - 76);
  }
  for (const text of ['forward', 'sums of gradients', 'tied embeddings', 'stage 4'])
    expect(svg).toContain(text);
});

test('a title is text, whatever is in it', () => {
  expect(scheduleChart(estimated(1, 1, 1), '<script>&')).toContain('&lt;script&gt;&amp;');
});

test('many micro-batches and one stage can be drawn', () => {
  for (const found of [estimated(1, 1, 1), estimated(8, 1, 512)])
    expect(scheduleChart(found, 'a step')).not.toMatch(/NaN|Infinity|undefined/);
});
