import { describe, expect, test } from 'vitest';
import type { Mesh } from '../parallel/mesh.js';
import { layerActivations, parameterBytes, stageMemory, totalMemory } from './memory.js';
import { modelOfSizes, namedModels } from './model-sizes.js';
import { blockParameters } from './parameters.js';
import { settingsOf, type Choice } from './settings.js';

const model = modelOfSizes(namedModels['gpt2-8.3b']!, 'model');
const { hidden_size: h, num_attention_heads: a, num_hidden_layers: L } = model.config;
const s = model.sequenceLength;
const b = 4;

describe('a layer, as in table 2 of arXiv 2205.05198', () => {
  const layer = (
    tensor: number,
    recomputation: Choice['recomputation'],
    precision: 'fp16' | 'fp32' = 'fp16',
  ) => layerActivations(model, { microBatchSize: b, tensor, precision, recomputation });

  test.each([
    ['nothing', layer(1, 'none'), s * b * h * (34 + (5 * a * s) / h)],
    ['tensor-parallel ranks', layer(8, 'none'), s * b * h * (10 + 24 / 8 + (5 * a * s) / (h * 8))],
    ['attention computed again', layer(8, 'selective'), s * b * h * (10 + 24 / 8)],
    ['all computed again', layer(8, 'full'), 2 * s * b * h],
  ])('%s', (_, found, expected) => {
    expect(found / expected).toBeCloseTo(1, 12);
  });

  test('in float32 all but the masks of dropout is twice as large', () => {
    const masks = 2 * s * b * h + b * a * s ** 2;
    expect(layer(1, 'none', 'fp32')).toBe(2 * (layer(1, 'none') - masks) + masks);
  });
});

test('bytes of a parameter with Adam', () => {
  const total = (precision: 'fp16' | 'fp32', sharedBy: number) =>
    Object.values(parameterBytes(precision, sharedBy)).reduce((sum, value) => sum + value);
  expect(total('fp32', 1)).toBe(16);
  expect(total('fp16', 1)).toBe(18);
  for (const d of [2, 8, 64]) expect(total('fp16', d)).toBe(6 + 12 / d);
});

const memory = (mesh: Mesh, choice: Partial<Choice> = {}, distributedOptimizer = false) => {
  const batch = { globalBatchSize: 64 * b * mesh.data, precision: 'fp16', distributedOptimizer } as const;
  const settings = settingsOf(model, batch, {
    ...{ mesh, microBatchSize: b, chunks: 1, recomputation: 'none', ...choice },
  });
  return stageMemory(model, blockParameters(model, mesh.tensor), settings);
};
const layer = layerActivations(model, {
  microBatchSize: b,
  tensor: 8,
  precision: 'fp16',
  recomputation: 'none',
});

test.each([2, 4, 8])('the first of %s stages keeps as much as all layers of a micro-batch', (pipeline) => {
  const stages = memory({ tensor: 8, pipeline, data: 1 });
  const dropout = s * b * h * pipeline;
  expect(stages[0]!.activations).toBe(L * layer + dropout);
  // each of the others one micro-batch less
  for (const [i, { activations }] of stages.slice(1, -1).entries())
    expect(activations).toBe((L / pipeline) * (pipeline - i - 1) * layer);
  const scores = (4 * s * b * 51_200) / 8 + 4 * s * b * h;
  expect(stages.at(-1)!.activations).toBe((L / pipeline) * layer + scores);
});

test.each([
  [4, 2],
  [4, 3],
  [2, 4],
])('of %s stages with %s chunks the first keeps 1 + (p − 1)/(pv) times as much', (p, v) => {
  const [first] = memory({ tensor: 8, pipeline: p, data: 1 }, { chunks: v });
  const layers = L * (1 + (p - 1) / (p * v));
  // embeddings belong to the first chunk alone
  const rest = first!.activations - layers * layer;
  expect(rest / (s * b * h)).toBeGreaterThanOrEqual(1);
  expect(rest / (s * b * h)).toBeLessThanOrEqual(2 * p);
});

test('fewer micro-batches than stages are kept in fewer copies', () => {
  const settings = settingsOf(
    model,
    { globalBatchSize: 2 * b, precision: 'fp16', distributedOptimizer: false },
    { mesh: { tensor: 8, pipeline: 8, data: 1 }, microBatchSize: b, chunks: 1, recomputation: 'none' },
  );
  const [first] = stageMemory(model, blockParameters(model, 8), settings);
  expect(first!.activations).toBe((L / 8) * 2 * layer + 2 * s * b * h);
});

test('a distributed optimizer shares moments and float32 weights out', () => {
  const [alone] = memory({ tensor: 8, pipeline: 1, data: 16 });
  const [shared] = memory({ tensor: 8, pipeline: 1, data: 16 }, {}, true);
  expect(shared!.moments).toBe(alone!.moments / 16);
  expect(shared!.gradients).toBe(alone!.gradients);
  expect(shared!.weights / alone!.weights).toBeCloseTo((2 + 4 / 16) / 6, 12);
  expect(totalMemory(shared!)).toBeLessThan(totalMemory(alone!));
});
