// One rank of the training benchmark: times a matrix product, a layer and whole steps, in turn.
import { openEngine } from '../dist/engine/node.js';
import { input, matmul } from '../dist/graph/functions.js';
import { forwardBackward } from '../dist/graph/gradient.js';
import { makeProgram } from '../dist/graph/program.js';
import { hiddenInput, pretrainingBlocks } from '../dist/model/blocks.js';
import { megatronBertConfig } from '../dist/model/config.js';
import { runRank } from '../dist/parallel/rank.js';
import { tensorParallel } from '../dist/parallel/ranks.js';
import { randomKey, randomUniform } from '../dist/random.js';
import { defaultOptimizer } from '../dist/train/optimizer.js';
import { initializeParameters } from '../dist/train/parameters.js';
import { createTrainer } from '../dist/train/trainer.js';

const vocabulary = 30592;

await runRank(async (task, given, report) => {
  const { microBatchSize, sequenceLength, threads, recomputeActivations, layerRepeats, stepRepeats } = task;
  const config = megatronBertConfig({ ...task.config, vocab_size: vocabulary });
  const communicator = given.groups.world;
  const traffic = watchModelGroups(given.groups);
  const ranks = { ...given, groups: traffic.groups };
  const engine = openEngine({ threads, groups: ranks.groups });
  const tensor = tensorParallel(ranks);
  const run = {
    batchSize: microBatchSize,
    sequenceLength,
    tensor,
    dropoutKey: input('dropout_key', [2], 'int32'),
  };
  const hidden = hiddenInput(config, run);

  const seconds = async (work) => {
    await communicator.barrier();
    traffic.take();
    const started = performance.now();
    await work();
    await communicator.barrier();
    return (performance.now() - started) / 1000;
  };

  const product = await prepareProduct(engine);
  const layer = await prepareLayer(engine, config, run, hidden);
  const gemm = [];
  const layers = [];
  const layerTraffic = [];
  for (let i = 0; i < layerRepeats + 2; i++) {
    gemm.push(await seconds(product.run));
    layers.push(await seconds(layer.run));
    layerTraffic.push(traffic.take());
  }
  product.free();
  layer.free();

  const predictionCount = microBatchSize * Math.round(0.15 * sequenceLength);
  const trainer = await createTrainer({
    engine,
    ranks,
    blocks: pretrainingBlocks(config, { predictionCount }),
    hidden,
    microBatchSize,
    sequenceLength,
    optimizer: defaultOptimizer,
    schedule: {
      learningRate: 1e-4,
      minLearningRate: 1e-5,
      warmupIterations: 1,
      decayIterations: 100,
      decayStyle: 'linear',
    },
    seed: 1,
    recomputeActivations,
  });
  await initializeParameters(engine, trainer.parameters, 1);
  const batch = syntheticBatch(microBatchSize, sequenceLength, predictionCount);
  const steps = [];
  const stepTraffic = [];
  for (let i = 0; i < stepRepeats + 1; i++) {
    steps.push(await seconds(() => trainer.step([batch])));
    stepTraffic.push(traffic.take());
    if (communicator.rank === 0) report(i);
  }
  const buffers = engine.allocatedBytes();
  await engine.release();
  return {
    gemm_gflops: gemm.slice(2).map((time) => (communicator.size * product.flops) / time / 1e9),
    layer_seconds: layers.slice(2),
    step_seconds: steps.slice(1),
    layer_traffic: layerTraffic.slice(2),
    step_traffic: stepTraffic.slice(1),
    // of this rank's engine; then of the process, which is all ranks and the product and layer before
    buffer_bytes: buffers,
    peak_bytes: 1024 * process.resourceUsage().maxRSS,
  };
});

/**
 * The groups, and what those that share a model have summed since they were last asked: seconds (waiting for the other
 * rank too), operations, numbers. The gradient's norm goes over `model`, all else over `tensor`.
 */
function watchModelGroups(groups) {
  let done = { seconds: 0, operations: 0, numbers: 0 };
  const watch = (communicator) => ({
    ...communicator,
    async allReduce(data, operation) {
      const started = performance.now();
      await communicator.allReduce(data, operation);
      done.seconds += (performance.now() - started) / 1000;
      done.operations++;
      done.numbers += data.length;
    },
  });
  return {
    groups: { ...groups, tensor: watch(groups.tensor), model: watch(groups.model) },
    take() {
      const taken = done;
      done = { seconds: 0, operations: 0, numbers: 0 };
      return taken;
    },
  };
}

async function fill(engine, buffer, name) {
  const length = buffer.shape.reduce((a, b) => a * b, 1);
  const key = randomKey(name);
  if (buffer.dtype === 'float32')
    await engine.write(
      buffer,
      Float32Array.from({ length }, (_, i) => 0.1 * (randomUniform(key, i) - 0.5)),
    );
  else await engine.write(buffer, new Int32Array(length).fill(1));
}

/** Buffers for a program's inputs (filled) and outputs. */
async function buffersOf(engine, values) {
  const buffers = {};
  for (const [name, value] of values) {
    [buffers[name]] = engine.allocate([value]);
    await fill(engine, buffers[name], name);
  }
  return buffers;
}

async function prepareProduct(engine) {
  const [m, k, n] = [2048, 1024, 4096];
  const program = makeProgram({ y: matmul(input('a', [m, k]), input('b', [k, n])) });
  const executable = await engine.compile(program);
  const inputs = await buffersOf(engine, program.inputs);
  const outputs = await buffersOf(engine, program.outputs);
  return {
    flops: 2 * m * k * n,
    run: () => executable.run(inputs, outputs),
    free: () => engine.free([...Object.values(inputs), ...Object.values(outputs)]),
  };
}

/** Forward, and backward from what forward saved, of one layer in training. */
async function prepareLayer(engine, config, run, hidden) {
  const block = pretrainingBlocks(config, { predictionCount: 1 }).find(({ kind }) => kind === 'layer');
  const outputs = block.outputs(run, hidden);
  const given = makeProgram(outputs).inputs;
  const wrt = [...given.values()].filter(({ dtype }) => dtype === 'float32');
  const { forward, backward } = forwardBackward(outputs, 'hidden', wrt);
  const programs = [await engine.compile(forward), await engine.compile(backward)];
  const inputs = await buffersOf(engine, given);
  const kept = await buffersOf(engine, forward.outputs);
  const arriving = await buffersOf(engine, [['gradient.hidden', hidden]]);
  const gradients = await buffersOf(engine, backward.outputs);
  return {
    async run() {
      await programs[0].run(inputs, kept);
      await programs[1].run({ ...inputs, ...kept, ...arriving }, gradients);
    },
    free: () => engine.free([inputs, kept, arriving, gradients].flatMap((buffers) => Object.values(buffers))),
  };
}

function syntheticBatch(rows, length, predictionCount) {
  const ids = (count, below, name) =>
    Int32Array.from({ length: count }, (_, i) => Math.floor(below * randomUniform(randomKey(name), i)));
  const size = rows * length;
  return {
    input_ids: ids(size, vocabulary, 'ids'),
    token_type_ids: new Int32Array(size),
    attention_mask: new Int32Array(size).fill(1),
    position_ids: Int32Array.from({ length: size }, (_, i) => i % length),
    next_sentence_label: ids(rows, 2, 'order'),
    prediction_positions: Int32Array.from({ length: predictionCount }, (_, i) =>
      Math.floor((i * size) / predictionCount),
    ),
    prediction_labels: ids(predictionCount, vocabulary, 'labels'),
  };
}
