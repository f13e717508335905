import { expect, test } from 'vitest';
import { modelFlops } from '../train/model-flops.js';
import {
  headsBackward,
  headsForward,
  layerBackward,
  layerForward,
  layerRecomputed,
  stateCopies,
} from './layer-work.js';
import { modelOfSizes, namedModels } from './model-sizes.js';
import { workFlops } from './operations.js';

const options = (tensor: number) =>
  ({ microBatchSize: 4, tensor, precision: 'fp16', kernels: 'separate' }) as const;

test.each([1, 2, 4])("matrix products over %s ranks are the model's FLOPs", (tensor) => {
  const model = modelOfSizes(namedModels['gpt2-355m']!, 'model');
  const s = model.sequenceLength;
  const run = options(tensor);
  const layers = model.config.num_hidden_layers;
  // 51,200 words are a multiple of 128 for each of these numbers of ranks
  const expected = modelFlops(model.config, { batchSize: 4, sequenceLength: s, predictionCount: 4 * s });
  const counted =
    layers * (workFlops(layerForward(model, run)) + workFlops(layerBackward(model, run))) +
    workFlops(headsForward(model, run)) +
    workFlops(headsBackward(model, run));
  expect(counted * tensor).toBe(expected);
});

test('with all layers computed again they are 96·B·s·l·h²·(1 + s/(6h) + V/(16lh)) (arXiv 2104.04473)', () => {
  const model = modelOfSizes(namedModels['gpt-1.7b']!, 'model');
  const { hidden_size: h, num_hidden_layers: l, vocab_size: V } = model.config;
  const [B, s] = [4, model.sequenceLength];
  const run = options(1);
  const layer =
    workFlops(layerForward(model, run)) +
    workFlops(layerRecomputed(model, run, 'full')) +
    workFlops(layerBackward(model, run));
  const heads = workFlops(headsForward(model, run)) + workFlops(headsBackward(model, run));
  const expected = 96 * B * s * l * h ** 2 * (1 + s / (6 * h) + V / (16 * l * h));
  expect((l * layer + heads) / expected).toBeCloseTo(1, 12);
});

test('selective recomputation adds s/(6h) (arXiv 2205.05198, section 5)', () => {
  const model = modelOfSizes(namedModels['gpt-145b']!, 'model');
  const run = options(8);
  const { hidden_size: h } = model.config;
  const again = workFlops(layerRecomputed(model, run, 'selective'));
  const layer = workFlops(layerForward(model, run)) + workFlops(layerBackward(model, run));
  const s = model.sequenceLength;
  // of 72·(1 + s/(6h)), in units of B·s·h²
  expect((again / layer) * (1 + s / (6 * h))).toBeCloseTo(s / (18 * h), 12);
  expect(workFlops(layerRecomputed(model, run, 'none'))).toBe(0);
});

test('fused kernels move less and multiply the same', () => {
  const model = modelOfSizes(namedModels['bert-base']!, 'model');
  const separate = layerForward(model, options(1));
  const fused = layerForward(model, { ...options(1), kernels: 'fused' });
  expect(workFlops(fused)).toBe(workFlops(separate));
  const moved = ({ passes }: typeof fused) => passes.reduce((a, b) => a + b);
  expect(moved(fused)).toBeLessThan(0.7 * moved(separate));
});

test('a layer that is computed again exchanges twelve states of random numbers', () => {
  expect(stateCopies('full')).toEqual({ forward: 5, backward: 7 });
  expect(stateCopies('none')).toEqual({ forward: 4, backward: 0 });
});
