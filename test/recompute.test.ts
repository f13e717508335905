/** Computing activations again for the backward pass changes the memory that is needed, and nothing else. */
import { describe, expect, test } from 'vitest';
import { launchRanks } from '../src/parallel/launch.js';
import { recomputations, type Recomputation } from '../src/train/recomputation.js';

interface Result {
  readonly losses: readonly number[];
  readonly norms: readonly number[];
  readonly own: Readonly<Record<string, { value: Float32Array; gradient: Float32Array }>>;
  /** Of the engine's buffers. */
  readonly bytes: number;
}

const config = {
  vocab_size: 32,
  hidden_size: 16,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  intermediate_size: 32,
  max_position_embeddings: 8,
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.1,
};
const gpt2 = {
  model_type: 'gpt2',
  vocab_size: 32,
  n_embd: 16,
  n_layer: 4,
  n_head: 4,
  n_inner: 32,
  n_positions: 8,
};
const scoresBytes = 2 * 4 * 8 * 8 * 4;

const run = (size: number, recomputeActivations: Recomputation, fields: object = config) =>
  launchRanks<object, never, Result>({
    mesh: { tensor: size, pipeline: 1, data: 1 },
    module: new URL('./support/replica-rank.mjs', import.meta.url),
    task: { config: fields, steps: 3, microBatches: 2, recomputeActivations },
  });

describe.each([
  ['MegatronBERT', 1, config],
  ['MegatronBERT', 2, config],
  ['GPT-2', 1, gpt2],
  ['GPT-2', 2, gpt2],
])('%s on %i ranks', (_, size, fields) => {
  test('losses, gradients and weights have the same bits, and buffers fewer bytes', async () => {
    const [none, selective, full] = await Promise.all(recomputations.map((what) => run(size, what, fields)));
    for (const again of [selective!, full!])
      for (const [rank, result] of again.entries()) {
        const { losses, norms, own } = none![rank]!;
        expect(result.losses).toEqual(losses);
        expect(result.norms).toEqual(norms);
        expect(result.own).toEqual(own);
      }
    const [kept, fewer, fewest] = [none!, selective!, full!].map(([first]) => first!.bytes);
    expect(fewer).toBeLessThan(kept!);
    expect(fewest).toBeLessThan(fewer!);
  });
});

test('dropout is on: other masks give other losses', async () => {
  const [[dropped], [whole]] = await Promise.all([
    run(1, 'full'),
    run(1, 'full', { ...config, hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 }),
  ]);
  expect(dropped!.losses).not.toEqual(whole!.losses);
});

test('what one more layer takes: all, all but the scores, or its input', async () => {
  const bytesOfLayers = async (what: Recomputation) => {
    const [four, five] = await Promise.all([run(1, what), run(1, what, { ...config, num_hidden_layers: 5 })]);
    return five[0]!.bytes - four[0]!.bytes;
  };
  const [none, selective, full] = await Promise.all(recomputations.map(bytesOfLayers));
  expect(none! - selective!).toBeGreaterThanOrEqual(scoresBytes);
  // attention's four matrices and biases, the MLP's two, and two layer norms
  const parameters = 4 * (16 * 16 + 16) + (32 * 16 + 32) + (16 * 32 + 16) + 2 * (16 + 16);
  // each with gradient and two moments; the input; the dropout key, in as few bytes as a buffer can have
  expect(full).toBe(4 * (4 * parameters + 16 * 16) + 64);
});
