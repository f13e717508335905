/**
 * What is not split stays equal on all ranks, to the bit, without ever being sent around; what is split becomes what it
 * becomes on one rank.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { pretrainingBlocks } from '../src/model/blocks.js';
import { megatronBertConfig } from '../src/model/config.js';
import { gpt2Config } from '../src/model/gpt2-config.js';
import { layoutOf, placePart } from '../src/partition.js';
import { launchRanks } from '../src/parallel/launch.js';
import { GPT2LMHeadModel } from '../src/pretrained/classes.js';
import { configJson } from '../src/pretrained/save-pretrained.js';
import type { OptimizerName } from '../src/train/optimizers.js';
import { declaredParameters } from '../src/train/parameters.js';
import { relativeError } from './support/fixture.js';
import { temporaryFolder } from './support/workspace.js';

type Tensors = Readonly<Record<string, { value: Float32Array; gradient: Float32Array }>>;

interface Result {
  readonly replicated: Tensors;
  /** Of all parameters, this rank's part. */
  readonly own: Tensors;
  readonly norms: readonly number[];
  readonly losses: readonly number[];
  /** Of this rank's share of the last gradient: split parameters, and on the first rank the others. */
  readonly squares: number;
  /** Where weights were written: a batch that was not trained on, and the loss on it. */
  readonly evaluated?: {
    readonly input_ids: Int32Array;
    readonly labels: Int32Array;
    readonly loss: number;
  };
}

const config = {
  vocab_size: 32,
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  intermediate_size: 32,
  max_position_embeddings: 8,
};
const gpt2 = {
  model_type: 'gpt2',
  vocab_size: 32,
  n_embd: 16,
  n_layer: 2,
  n_head: 4,
  n_inner: 32,
  n_positions: 8,
};
interface RunOptions {
  readonly optimizer?: OptimizerName;
  /** Where weights are written to. */
  readonly folder?: string;
}
const root = temporaryFolder();
const run = (config: object, size: number, steps: number, options: RunOptions = {}) =>
  launchRanks<object, never, Result>({
    mesh: { tensor: size, pipeline: 1, data: 1 },
    module: new URL('./support/replica-rank.mjs', import.meta.url),
    task: { config, steps, ...options },
  });

describe.each([
  // per layer 2 layer norms and 2 biases; 2 tables, final norm, pooler, transform and its norm, order head
  ['MegatronBERT', config, 2 * 6 + 2 + 2 + 2 + 4 + 2],
  // the same layers; the table of positions and the final norm
  ['GPT-2', gpt2, 2 * 6 + 1 + 2],
])('%s', (_, config, replicatedCount) => {
  test.each([2, 4])('parameters and gradients on %i ranks', async (size) => {
    const [first, ...others] = await run(config, size, 3);
    expect(Object.keys(first!.replicated)).toHaveLength(replicatedCount);
    for (const other of others) {
      expect(other.norms).toEqual(first!.norms);
      for (const [name, { value, gradient }] of Object.entries(first!.replicated)) {
        expect(
          Buffer.from(other.replicated[name]!.value.buffer).equals(Buffer.from(value.buffer)),
          name,
        ).toBe(true);
        expect(
          Buffer.from(other.replicated[name]!.gradient.buffer).equals(Buffer.from(gradient.buffer)),
          name,
        ).toBe(true);
        expect(
          gradient.some((x) => x !== 0),
          name,
        ).toBe(true);
      }
    }
  });

  test('the norm that clips counts every parameter once', async () => {
    const [whole] = await run(config, 1, 1);
    for (const size of [2, 4]) {
      const ranks = await run(config, size, 1);
      const total = ranks.reduce((sum, { squares }) => sum + squares, 0);
      expect(Math.sqrt(total) / whole!.norms[0]!).toBeCloseTo(1, 5);
      for (const { norms } of ranks) expect(norms[0]! / whole!.norms[0]!).toBeCloseTo(1, 5);
    }
  });

  test('losses are those of one rank', async () => {
    const [whole] = await run(config, 1, 4);
    for (const size of [2, 4]) {
      const [first] = await run(config, size, 4);
      first!.losses.forEach((loss, step) => {
        expect(loss).toBeCloseTo(whole!.losses[step]!, 5);
      });
    }
  });
});

// a trust ratio is of the whole tensor, not of a part: with LAMB that is what this is about
test.each(['adamw', 'adam-l2', 'sgd', 'lamb'] as const)(
  '%s on 2 ranks leads to the weights of one',
  async (optimizer) => {
    const [[whole], ranks] = await Promise.all([
      run(config, 1, 3, { optimizer }),
      run(config, 2, 3, { optimizer }),
    ]);
    const blocks = pretrainingBlocks(megatronBertConfig(config), { predictionCount: 3 });
    for (const [name, parameter] of declaredParameters(blocks)) {
      // the gradient of the keys' biases is rounding alone, of which Adam makes steps of ordinary size
      if (!parameter.decays) continue;
      const { value } = whole!.own[name]!;
      const found = new Float32Array(value.length);
      for (const [rank, { own }] of ranks.entries())
        placePart(own[name]!.value, layoutOf(parameter, 2, rank), found);
      expect(relativeError(found, value), name).toBeLessThan(2e-6);
    }
  },
);

test.each([1, 2])('what %i ranks write of GPT-2 computes their loss', async (size) => {
  const folder = path.join(root, String(size));
  const [{ evaluated } = {}] = await run(gpt2, size, 2, { folder });
  const { input_ids, labels, loss } = evaluated!;
  await writeFile(path.join(folder, 'config.json'), configJson(gpt2Config(gpt2), 'GPT2LMHeadModel'));
  const model = await GPT2LMHeadModel.from_pretrained(folder);
  expect(model.loading_info).toEqual({ missing_keys: [], unexpected_keys: [], mismatched_keys: [] });
  const { logits } = await model.forward({ input_ids: { dims: [2, 8], data: input_ids } });
  await model.dispose();
  const ofRow = (label: number, row: number) => {
    const scores = [...logits.data.subarray(32 * row, 32 * row + 32)];
    return Math.log(scores.reduce((sum, score) => sum + Math.exp(score), 0)) - scores[label]!;
  };
  const total = [...labels].reduce((sum, label, row) => sum + ofRow(label, row), 0);
  expect(total / labels.length).toBeCloseTo(loss, 5);
});
