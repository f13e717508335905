// One rank of test/replicas.test.ts: trains a few steps and returns what every rank should have alike.
import { openEngine } from '../../dist/engine/node.js';
import { hiddenInput, pretrainingBlocks } from '../../dist/model/blocks.js';
import { megatronBertConfig } from '../../dist/model/config.js';
import { runRank } from '../../dist/parallel/rank.js';
import { randomBits, randomKey } from '../../dist/random.js';
import { resolveOptimizer } from '../../dist/train/optimizer.js';
import { initializeParameters } from '../../dist/train/parameters.js';
import { createTrainer } from '../../dist/train/trainer.js';

await runRank(async (task, communicator) => {
  const { config: fields, steps, microBatches = 1, recomputeActivations, optimizer } = task;
  const config = megatronBertConfig(fields);
  const engine = openEngine({ threads: 1, groups: { tensor: communicator } });
  const tensor = { group: 'tensor', size: communicator.size, rank: communicator.rank };
  const [microBatchSize, sequenceLength, predictionCount] = [2, 8, 3];
  const trainer = await createTrainer({
    engine,
    communicator,
    tensor,
    blocks: pretrainingBlocks(config, { predictionCount }),
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
  });
  await initializeParameters(engine, trainer.parameters, 1);

  const size = microBatchSize * sequenceLength;
  const draw = (name, count, below) =>
    Int32Array.from({ length: count }, (_, i) => randomBits(randomKey(name), i) % below);
  const norms = [];
  const losses = [];
  for (let step = 0; step < steps; step++) {
    const batch = {
      input_ids: draw(`ids ${step}`, size, config.vocab_size),
      token_type_ids: draw(`types ${step}`, size, 2),
      attention_mask: new Int32Array(size).fill(1),
      position_ids: Int32Array.from({ length: size }, (_, i) => i % sequenceLength),
      next_sentence_label: draw(`order ${step}`, microBatchSize, 2),
      prediction_positions: Int32Array.of(1, 6, 12),
      prediction_labels: draw(`labels ${step}`, predictionCount, config.vocab_size),
    };
    const { gradientNorm, scalars } = await trainer.step(Array(microBatches).fill(batch));
    norms.push(gradientNorm);
    losses.push(scalars.loss);
  }
  const own = {};
  const replicated = {};
  let squares = 0;
  for (const [name, { declaration, value, gradient }] of trainer.parameters) {
    if (declaration.partition !== undefined || communicator.rank === 0)
      squares += await engine.sumOfSquares(gradient);
    own[name] = { value: await engine.read(value), gradient: await engine.read(gradient) };
    if (declaration.partition === undefined) replicated[name] = own[name];
  }
  const bytes = engine.allocatedBytes();
  await engine.release();
  return { replicated, norms, squares, losses, own, bytes };
});
