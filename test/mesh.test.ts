/** Whatever the mesh, the schedule and the optimizer's shares: the losses and weights of one rank. */
import { describe, expect, test } from 'vitest';
import { pretrainingBlocks } from '../src/model/blocks.js';
import { megatronBertConfig } from '../src/model/config.js';
import { gpt2Blocks } from '../src/model/gpt2-blocks.js';
import { gpt2Config } from '../src/model/gpt2-config.js';
import { launchRanks } from '../src/parallel/launch.js';
import { meshSize, rankAt, type Mesh } from '../src/parallel/mesh.js';
import { layoutOf, placePart } from '../src/partition.js';
import { stagedParameters } from '../src/train/stages.js';
import { relativeError } from './support/fixture.js';

interface Result {
  readonly own: Readonly<Record<string, { value: Float32Array }>>;
  readonly losses: readonly number[];
  readonly norms: readonly number[];
}

interface Division {
  readonly chunks?: number;
  readonly sharesOptimizer?: boolean;
  readonly sequenceParallel?: boolean;
}

const steps = 30;
const microBatches = 8;
const models = {
  MegatronBERT: {
    config: {
      ...{ vocab_size: 64, hidden_size: 16, num_hidden_layers: 8, num_attention_heads: 4 },
      ...{ intermediate_size: 32, max_position_embeddings: 8 },
    },
    blocks: (config: object) => pretrainingBlocks(megatronBertConfig(config), { predictionCount: 3 }),
  },
  'GPT-2': {
    config: {
      model_type: 'gpt2',
      vocab_size: 64,
      n_embd: 16,
      n_layer: 8,
      n_head: 4,
      n_inner: 32,
      n_positions: 8,
    },
    blocks: (config: object) => gpt2Blocks(gpt2Config(config)),
  },
};

const everyMesh = [1, 2, 4]
  .flatMap((tensor) => [1, 2, 4].flatMap((pipeline) => [1, 2].map((data) => ({ tensor, pipeline, data }))))
  .filter((mesh) => meshSize(mesh) > 1 && meshSize(mesh) <= 8);

/** Each mesh as it is, and with each of what it may have besides. */
const everyDivision = everyMesh.flatMap((mesh): [Mesh, Division][] => [
  [mesh, {}],
  ...(mesh.pipeline > 1 ? [[mesh, { chunks: 2 }] as [Mesh, Division]] : []),
  ...(mesh.data > 1 ? [[mesh, { sharesOptimizer: true }] as [Mesh, Division]] : []),
  ...(mesh.tensor > 1 ? [[mesh, { sequenceParallel: true }] as [Mesh, Division]] : []),
]);

/** One of each kind, and all at once: of the rest there are many, for MESHES=all. */
const someDivisions: [Mesh, Division][] = [
  [{ tensor: 2, pipeline: 1, data: 1 }, { sequenceParallel: true }],
  [{ tensor: 1, pipeline: 2, data: 1 }, { chunks: 2 }],
  [{ tensor: 1, pipeline: 4, data: 1 }, {}],
  [{ tensor: 1, pipeline: 1, data: 2 }, {}],
  [
    { tensor: 2, pipeline: 2, data: 2 },
    { chunks: 2, sharesOptimizer: true, sequenceParallel: true },
  ],
];
const divisionsOf = (model: string) => {
  if (process.env.MESHES === 'all') return everyDivision;
  return model === 'GPT-2' ? someDivisions.slice(-1) : someDivisions;
};

describe.each(Object.entries(models))('%s', (model, { config, blocks }) => {
  const run = (mesh: Mesh, division: Division = {}) =>
    launchRanks<object, never, Result>({
      mesh,
      module: new URL('./support/replica-rank.mjs', import.meta.url),
      task: { config, steps, microBatches, ...division },
    });
  const whole = run({ tensor: 1, pipeline: 1, data: 1 });

  test.each(divisionsOf(model))('%o, %o', async (mesh, division) => {
    const { chunks = 1 } = division;
    const [expected] = await whole;
    const ranks = await run(mesh, division);
    const last = ranks[rankAt({ tensor: 0, data: 0, pipeline: mesh.pipeline - 1 }, mesh)]!;
    expected!.losses.forEach((loss, step) => {
      expect(Math.abs(last.losses[step]! / loss - 1), `loss of step ${step}`).toBeLessThan(1e-5);
      expect(Math.abs(last.norms[step]! / expected!.norms[step]! - 1), `norm of step ${step}`).toBeLessThan(
        1e-4,
      );
    });
    for (const { name, declaration, stage } of stagedParameters(blocks(config), {
      stages: mesh.pipeline,
      chunks,
    })) {
      const { value } = expected!.own[name]!;
      for (let data = 0; data < mesh.data; data++) {
        const found = new Float32Array(value.length);
        for (let tensor = 0; tensor < mesh.tensor; tensor++) {
          const { own } = ranks[rankAt({ tensor, data, pipeline: stage }, mesh)]!;
          placePart(own[name]!.value, layoutOf(declaration, mesh.tensor, tensor), found);
        }
        // the gradient of the keys' biases is rounding alone, of which Adam makes steps of ordinary size
        if (!/key\.bias|c_attn\.bias/.test(name))
          expect(relativeError(found, value), name).toBeLessThan(1e-4);
      }
    }
  });
});

test('what is sent in a step is what the papers say', async () => {
  const mesh = { tensor: 2, pipeline: 2, data: 2 };
  const { config } = models['GPT-2'];
  const ranks = await launchRanks<object, never, { traffic: Readonly<Record<string, number>> }>({
    mesh,
    module: new URL('./support/replica-rank.mjs', import.meta.url),
    task: { config, steps: 1, microBatches },
  });
  // of a micro-batch of 2 sequences of 8 tokens
  const rows = 2 * 8;
  const activations = rows * config.n_embd;
  const own = microBatches / mesh.data;
  const layers = config.n_layer / mesh.pipeline;
  const embeddings = (config.vocab_size / mesh.tensor) * config.n_embd;
  for (const tensor of [0, 1])
    for (const data of [0, 1]) {
      const [first, last] = [0, 1].map(
        (pipeline) => ranks[rankAt({ tensor, data, pipeline }, mesh)]!.traffic,
      );
      // arXiv 1909.08053, section 3: in each layer two sums forward and two backward; one for the embedding, one for the head
      expect(first![`tensor allReduce ${activations}`]).toBe(own * (4 * layers + 1));
      expect(last![`tensor allReduce ${activations}`]).toBe(own * (4 * layers + 1));
      // of the cross entropy: the greatest logit, the sum of exponentials, the label's logit
      expect(first![`tensor allReduce ${rows}`]).toBeUndefined();
      expect(last![`tensor allReduce ${rows}`]).toBe(own * 3);
      // arXiv 2104.04473, section 2.2: activations forward, their gradient backward
      expect([first![`pipeline send ${activations}`], last![`pipeline send ${activations}`]]).toEqual([
        own,
        own,
      ]);
      // the word embeddings, which both have; and all gradients, once
      for (const traffic of [first!, last!]) {
        expect(traffic[`embedding allReduce ${embeddings}`]).toBe(1);
        const sums = Object.keys(traffic).filter((key) => /^data startSum \d{3,}$/.test(key));
        expect(sums.map((key) => traffic[key])).toEqual([1]);
      }
    }
});
