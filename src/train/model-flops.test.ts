import { expect, test } from 'vitest';
import { pretrainingBlocks, hiddenInput } from '../model/blocks.js';
import { megatronBertConfig } from '../model/config.js';
import { forwardBackward } from '../graph/gradient.js';
import { makeProgram, type Program } from '../graph/program.js';
import { knownShape, sizeOf } from '../graph/value.js';
import { singleRank } from '../model/run.js';
import { modelFlops } from './model-flops.js';

const large = { hidden_size: 1024, intermediate_size: 4096, num_hidden_layers: 24, vocab_size: 30592 };

test("it is Megatron-LM's formula where every position is predicted", () => {
  const [B, s, l, h, V] = [8, 512, 24, 1024, 30592];
  expect(modelFlops(large, { batchSize: B, sequenceLength: s, predictionCount: B * s })).toBeCloseTo(
    72 * B * l * s * h ** 2 * (1 + s / (6 * h) + V / (12 * l * h)),
    -3,
  );
});

test("it is what the programs' matrix products take, but for the two small layers before the outputs", () => {
  const config = megatronBertConfig({
    hidden_size: 24,
    intermediate_size: 72,
    num_hidden_layers: 3,
    num_attention_heads: 2,
    vocab_size: 160,
  });
  const [batchSize, sequenceLength, predictionCount] = [2, 16, 6];
  const run = { batchSize, sequenceLength, tensor: singleRank };
  const hidden = hiddenInput(config, run);
  let products = 0;
  for (const { kind, outputs } of pretrainingBlocks(config, { predictionCount })) {
    if (kind === 'embeddings') continue;
    const values = outputs(run, hidden);
    const wrt = [...makeProgram(values).inputs.values()].filter(({ dtype }) => dtype === 'float32');
    const { forward, backward } = forwardBackward(values, 'loss' in values ? 'loss' : 'hidden', wrt);
    products += flopsOf(forward) + flopsOf(backward);
  }
  const { hidden_size: h } = config;
  const uncounted = 3 * 2 * ((predictionCount + batchSize) * h * h + batchSize * h * 2);
  expect(products - uncounted).toBe(modelFlops(config, { batchSize, sequenceLength, predictionCount }));
});

/** Two for each number of the result and each that is summed up in it. */
function flopsOf({ nodes }: Program): number {
  return nodes.reduce((total, value) => {
    if (value.op !== 'matmul') return total;
    const summed = knownShape(value.inputs[0]!.shape).at(value.attributes.transposeA ? -2 : -1)!;
    return total + 2 * sizeOf(knownShape(value.shape)) * summed;
  }, 0);
}
