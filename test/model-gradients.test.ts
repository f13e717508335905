/** Whole models, dropout on: what the engine's backward programs give against finite differences of the plain evaluator. */
import { afterAll, expect, test } from 'vitest';
import { openEngine } from '../src/engine/node.js';
import { input } from '../src/graph/functions.js';
import { makeProgram } from '../src/graph/program.js';
import type { Value } from '../src/graph/value.js';
import { hiddenInput, pretrainingBlocks, type Block } from '../src/model/blocks.js';
import { megatronBertConfig, type TransformerConfig } from '../src/model/config.js';
import { gpt2Blocks } from '../src/model/gpt2-blocks.js';
import { gpt2Config } from '../src/model/gpt2-config.js';
import { flattenParameters } from '../src/model/parameters.js';
import { singleRank } from '../src/model/run.js';
import { randomBits, randomKey, randomNormal } from '../src/random.js';
import { createTrainingChain } from '../src/train/chain.js';
import { allocateParameters } from '../src/train/parameters.js';
import { evaluate, type Numbers } from './support/evaluate.js';

const engine = openEngine({ threads: 1 });
afterAll(() => engine.release());

const run = {
  batchSize: 2,
  sequenceLength: 6,
  tensor: singleRank,
  dropoutKey: input('dropout_key', [2], 'int32'),
};
const input_ids = [1, 5, 3, 9, 2, 0, 1, 7, 7, 11, 4, 2];
type Batch = Readonly<Record<string, Numbers>>;

const bert = megatronBertConfig({
  vocab_size: 12,
  hidden_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 12,
  max_position_embeddings: 6,
  hidden_dropout_prob: 0.2,
  attention_probs_dropout_prob: 0.2,
  layer_norm_eps: 1e-5,
});
const bertBatch = {
  input_ids,
  token_type_ids: [0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1],
  attention_mask: [1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1],
  position_ids: [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5],
  next_sentence_label: [0, 1],
  prediction_positions: [2, 7, 9, -1],
  prediction_labels: [6, 8, 3, -100],
};

const gpt2 = gpt2Config({
  vocab_size: 12,
  n_embd: 8,
  n_layer: 2,
  n_head: 2,
  n_inner: 12,
  n_positions: 7,
  resid_pdrop: 0.2,
  attn_pdrop: 0.2,
  embd_pdrop: 0.1,
});
const gpt2Batch = { input_ids, labels: [5, 3, 9, 2, 0, -100, 7, 7, 11, 4, 2, 3] };

const dropoutKey = (block: number) => randomKey(3, block);

/** The loss in float64, block by block, from parameters by their state-dict names. */
function lossOf(
  blocks: readonly Block[],
  hidden: Value,
  batch: Batch,
  parameters: ReadonlyMap<string, Numbers>,
): number {
  let state: Numbers = [];
  for (const [i, block] of blocks.entries()) {
    const program = makeProgram(block.outputs(run, hidden));
    const own = flattenParameters(block.parameters).map(
      ([name]) => [name, parameters.get(block.prefix + name)!] as const,
    );
    const inputs = {
      ...batch,
      ...Object.fromEntries(own),
      hidden: state,
      dropout_key: Int32Array.from(dropoutKey(i)),
    };
    const outputs = evaluate(program, inputs as unknown as Record<string, Numbers>);
    if (outputs.loss) return outputs.loss[0]!;
    state = outputs.hidden!;
  }
  throw new Error('no block gave a loss');
}

test.each<[string, Block[], TransformerConfig, Batch]>([
  ['MegatronBERT', pretrainingBlocks(bert, { predictionCount: 4 }), bert, bertBatch],
  ['GPT-2', gpt2Blocks(gpt2), gpt2, gpt2Batch],
  ['GPT-2 untied', gpt2Blocks({ ...gpt2, tie_word_embeddings: false }), gpt2, gpt2Batch],
])('gradients of all parameters of %s', async (_, blocks, config, batch) => {
  const hidden = hiddenInput(config, run);
  const { parameters: own } = allocateParameters(engine, blocks, singleRank, 0);
  const parameters = new Map<string, Numbers>();
  for (const [name, { value, declaration }] of own) {
    const key = randomKey('values', name);
    const around = 'value' in declaration.initial ? declaration.initial.value : 0;
    const size = value.shape.reduce((a, b) => a * b, 1);
    const numbers = Array.from({ length: size }, (_, i) => Math.fround(around + 0.3 * randomNormal(key, i)));
    parameters.set(name, numbers);
    await engine.write(value, Float32Array.from(numbers));
  }
  const chain = await createTrainingChain({ engine, blocks, parameters: own, run, hidden });
  const data = Object.fromEntries(
    Object.entries(batch).map(([name, numbers]) => [name, Int32Array.from(numbers)]),
  );
  await chain.forward(0, data, dropoutKey);
  const { loss } = await chain.scalars();
  expect(loss).toBeCloseTo(lossOf(blocks, hidden, batch, parameters), 5);
  await chain.backward(0, 1, new Set(), () => undefined);

  const step = 1e-5;
  for (const [name, { gradient }] of own) {
    const found = (await engine.read(gradient!)) as Float32Array;
    const numbers = parameters.get(name)!;
    const slope = (direction: (i: number) => number) => {
      const moved = (by: number) =>
        lossOf(
          blocks,
          hidden,
          batch,
          new Map(parameters).set(
            name,
            numbers.map((x, i) => x + by * direction(i)),
          ),
        );
      return (moved(step) - moved(-step)) / (2 * step);
    };
    // along a random direction every element counts; three single elements show where a mistake is
    const directions = [
      (i: number) => randomNormal(randomKey('direction', name), i),
      ...[0, 1, 2].map((n) => {
        const chosen = randomBits(randomKey('element', name), n) % numbers.length;
        return (i: number) => Number(i === chosen);
      }),
    ];
    for (const direction of directions) {
      const expected = slope(direction);
      const actual = found.reduce((sum, dx, i) => sum + dx * direction(i), 0);
      expect(Math.abs(actual - expected), `${name}: ${actual} for ${expected}`).toBeLessThan(
        1e-3 * Math.abs(expected) + 1e-6,
      );
    }
  }
});
