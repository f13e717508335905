// One rank of test/replicas.test.ts and test/mesh.test.ts: trains a few steps of a MegatronBERT or a GPT-2, and returns what every rank should
// have alike.
import { openEngine } from '../../dist/engine/node.js';
import { hiddenInput, pretrainingBlocks } from '../../dist/model/blocks.js';
import { megatronBertConfig } from '../../dist/model/config.js';
import { gpt2Blocks } from '../../dist/model/gpt2-blocks.js';
import { gpt2Config } from '../../dist/model/gpt2-config.js';
import { runRank } from '../../dist/parallel/rank.js';
import { tensorParallel } from '../../dist/parallel/ranks.js';
import { randomBits, randomKey } from '../../dist/random.js';
import { writeWeights } from '../../dist/train/export.js';
import { resolveOptimizer } from '../../dist/train/optimizer.js';
import { initializeParameters } from '../../dist/train/parameters.js';
import { stagedParameters } from '../../dist/train/stages.js';
import { createTrainer } from '../../dist/train/trainer.js';

const [microBatchSize, sequenceLength, predictionCount] = [2, 8, 3];
const size = microBatchSize * sequenceLength;
const draw = (name, count, below) =>
  Int32Array.from({ length: count }, (_, i) => randomBits(randomKey(name), i) % below);

const models = {
  'megatron-bert': {
    readConfig: megatronBertConfig,
    blocks: (config) => pretrainingBlocks(config, { predictionCount }),
    batch: (step, config) => ({
      input_ids: draw(`ids ${step}`, size, config.vocab_size),
      token_type_ids: draw(`types ${step}`, size, 2),
      attention_mask: new Int32Array(size).fill(1),
      position_ids: Int32Array.from({ length: size }, (_, i) => i % sequenceLength),
      next_sentence_label: draw(`order ${step}`, microBatchSize, 2),
      prediction_positions: Int32Array.of(1, 6, 12),
      prediction_labels: draw(`labels ${step}`, predictionCount, config.vocab_size),
    }),
  },
  gpt2: {
    readConfig: gpt2Config,
    blocks: gpt2Blocks,
    batch: (step, config) => ({
      input_ids: draw(`ids ${step}`, size, config.vocab_size),
      labels: draw(`labels ${step}`, size, config.vocab_size),
    }),
  },
};

/** Communicators that count their operations, by name and numbers of each. */
function countedGroups(groups, traffic) {
  const counted = ([name, communicator]) => {
    const operations = Object.entries(communicator).map(([operation, run]) => [
      operation,
      typeof run === 'function'
        ? (...values) => {
            const key = `${name} ${operation} ${values[0]?.length ?? 0}`;
            traffic[key] = (traffic[key] ?? 0) + 1;
            return run(...values);
          }
        : run,
    ]);
    return [name, Object.fromEntries(operations)];
  };
  return Object.fromEntries(Object.entries(groups).map(counted));
}

await runRank(async (task, given) => {
  const traffic = {};
  const ranks = { ...given, groups: countedGroups(given.groups, traffic) };
  const { config: fields, steps, microBatches = 1, recomputeActivations, optimizer, folder } = task;
  const { chunks = 1, sharesOptimizer = false, sequenceParallel = false } = task;
  const { mesh, place } = ranks;
  const { readConfig, blocks, batch } = models[fields.model_type ?? 'megatron-bert'];
  const config = readConfig(fields);
  const engine = openEngine({ threads: 1, groups: ranks.groups });
  const tensor = tensorParallel(ranks, task);
  const own = blocks(config);
  const trainer = await createTrainer({
    engine,
    ranks,
    blocks: own,
    hidden: hiddenInput(config, { batchSize: microBatchSize, sequenceLength, tensor }),
    microBatchSize,
    sequenceLength,
    optimizer: resolveOptimizer({ optimizer }),
    schedule: {
      learningRate: 1e-2,
      minLearningRate: 1e-3,
      warmupIterations: 0,
      decayIterations: 10,
      decayStyle: 'linear',
    },
    seed: 1,
    recomputeActivations,
    sequenceParallel,
    chunks,
    mostMicroBatches: microBatches / mesh.data,
    sharesOptimizer,
  });
  await initializeParameters(engine, trainer.parameters, 1);

  const norms = [];
  const losses = [];
  for (let step = 0; step < steps; step++) {
    const { gradientNorm, scalars } = await trainer.step(
      Array.from({ length: microBatches / mesh.data }, (_, i) =>
        batch(microBatches === 1 ? step : `${step}.${i * mesh.data + place.data}`, config),
      ),
    );
    norms.push(gradientNorm);
    losses.push(scalars.loss);
  }
  const trafficOfSteps = { ...traffic };
  const held = {};
  const replicated = {};
  let squares = 0;
  for (const [name, { declaration, value, gradient }] of trainer.parameters) {
    if (declaration.partition !== undefined || tensor.rank === 0)
      squares += await engine.sumOfSquares(gradient);
    held[name] = { value: await engine.read(value), gradient: await engine.read(gradient) };
    if (declaration.partition === undefined) replicated[name] = held[name];
  }
  if (folder)
    await writeWeights(
      folder,
      engine,
      trainer.parameters,
      stagedParameters(own, { stages: mesh.pipeline, chunks }),
      ranks,
    );
  const last = batch(steps, config);
  const evaluated = folder && { ...last, loss: (await trainer.evaluate(last)).loss };
  const bytes = engine.allocatedBytes();
  await engine.release();
  return { replicated, norms, squares, losses, own: held, traffic: trafficOfSteps, bytes, evaluated };
});
