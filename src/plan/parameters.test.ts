import { describe, expect, test } from 'vitest';
import { pretrainingBlocks } from '../model/blocks.js';
import { gpt2Blocks } from '../model/gpt2-blocks.js';
import { parameterCount } from '../model/initial-values.js';
import { declaredParameters } from '../train/parameters.js';
import { modelOfSizes, namedModels, paddedFor } from './model-sizes.js';
import { blockParameters, modelParameters, rankParameters } from './parameters.js';

const model = (name: string) => modelOfSizes(namedModels[name]!, name);

test.each([
  // computed for the checkpoints that NVIDIA published
  ['megatron-bert-345m', 336_297_858],
  ['megatron-bert-1.3b', 1_280_739_202],
  ['megatron-bert-3.9b', 3_869_260_674],
  // (V + P)·h + L·(12h² + 13h) + 2h
  ['gpt2-1.2b', 1_213_479_936],
  ['gpt2-2.5b', 2_490_408_960],
  ['gpt2-4.2b', 4_199_109_120],
  ['gpt2-8.3b', 8_317_040_640],
])('%s has as many parameters as it should', (name, expected) => {
  expect(modelParameters(model(name))).toBe(expected);
});

test.each([
  ['gpt-1.7b', 1.7],
  ['gpt-3.6b', 3.6],
  ['gpt-7.5b', 7.5],
  ['gpt-18b', 18.4],
  ['gpt-39b', 39.1],
  ['gpt-76b', 76.1],
  ['gpt-145b', 145.6],
  ['gpt-310b', 310.1],
  ['gpt-530b', 529.6],
  ['gpt-1t', 1008],
])('%s is as large as arXiv 2104.04473 says', (name, billions) => {
  expect(modelParameters(model(name)) / 1e9).toBeCloseTo(billions, billions > 1000 ? -1 : 1);
});

describe.each(['megatron-bert-345m', 'gpt2-355m'])('%s', (name) => {
  const planned = model(name);
  const layers = planned.config.num_hidden_layers;

  test('is what would be trained', () => {
    const config = paddedFor(planned, 1);
    const blocks =
      planned.architecture === 'bert'
        ? pretrainingBlocks(config, { predictionCount: 1 })
        : gpt2Blocks(config);
    expect(modelParameters(planned)).toBe(parameterCount(declaredParameters(blocks).values()));
  });

  test.each([1, 2, 8])(
    'over %s tensor-parallel ranks only what is not split is there several times',
    (tensor) => {
      const { hidden_size: h, vocab_size: V, type_vocab_size: types } = paddedFor(planned, tensor);
      const whole = rankParameters(blockParameters(planned, tensor), { layers, isFirst: true, isLast: true });
      // norms and the biases of row-parallel layers
      const isBert = planned.architecture === 'bert';
      const replicated =
        layers * 6 * h +
        2 * h +
        (planned.sequenceLength + types) * h +
        (isBert ? 2 * (h ** 2 + h) + 2 * h + 2 * h + 2 : 0);
      const split = layers * (12 * h ** 2 + 7 * h) + V * h + (isBert ? V : 0);
      expect(whole).toBe(replicated + split / tensor);
    },
  );

  test('over stages the embeddings are there twice', () => {
    const blocks = blockParameters(planned, 1);
    const stages = [0, 1, 2, 3].map((stage) =>
      rankParameters(blocks, { layers: layers / 4, isFirst: stage === 0, isLast: stage === 3 }),
    );
    expect(stages.reduce((a, b) => a + b)).toBe(modelParameters(planned) + blocks.tied);
    const { hidden_size: h, vocab_size: V } = paddedFor(planned, 1);
    expect(blocks.tied).toBe(V * h);
  });
});

test('sizes that cannot be split are refused', () => {
  expect(() => blockParameters(model('gpt2-2.5b'), 3)).toThrow(/num_attention_heads \(20\)/);
});
