/** What each rank of a pretraining run does, be it a thread or a process. */
import { isDeepStrictEqual } from 'node:util';
import type { PreparedSamples } from '../data/pretraining/prepare.js';
import { openTrainingCheckpoint, type FoundCheckpoint } from '../checkpoint/training/read.js';
import type { Engine } from '../engine/engine.js';
import { openEngine } from '../engine/node.js';
import { hiddenInput } from '../model/blocks.js';
import type { TransformerConfig } from '../model/config.js';
import type { Communicator } from '../parallel/communicator.js';
import { reporterOf } from '../parallel/mesh.js';
import { isOnAnyRank, tensorParallel, type Ranks } from '../parallel/ranks.js';
import { evaluateBatches } from './evaluation.js';
import type { Evaluation, EvaluationEvent, StepEvent } from './events.js';
import { writeWeights } from './export.js';
import { loadParameters, type LoadedWeights } from './loaded-weights.js';
import { modelFlops } from './model-flops.js';
import { createObjective, type Objective, type SampleOptions } from './objectives/objective.js';
import type { OptimizerOptions } from './optimizer.js';
import { optimizers } from './optimizers.js';
import { initializeParameters, restoreParameters } from './parameters.js';
import { measurePeakFlops } from './peak-flops.js';
import type { PredictedEvent } from './predictions.js';
import type { Recomputation } from './recomputation.js';
import { stagedParameters } from './stages.js';
import { microBatchesAt, type BatchSchedule, type LearningRateSchedule } from './schedule.js';
import { createSnapshot, takeSnapshot, type Snapshot } from './snapshot.js';
import { createTrainer, type Progress, type Trainer } from './trainer.js';

/** All that a rank is told; plain data. */
export interface PretrainTask {
  readonly config: TransformerConfig;
  readonly data: {
    readonly train: PreparedSamples;
    readonly heldOut: PreparedSamples;
    readonly test?: PreparedSamples;
  };
  readonly samples: SampleOptions;
  readonly batches: BatchSchedule;
  readonly trainIterations: number;
  readonly evaluationInterval: number;
  /** Micro-batches of held-out text, and of test text. */
  readonly evaluationBatches: number;
  readonly schedule: LearningRateSchedule;
  readonly optimizer: OptimizerOptions;
  readonly recomputeActivations: Recomputation;
  readonly sequenceParallel: boolean;
  /** Parts of the model that each pipeline stage has. */
  readonly chunks: number;
  /** Whether data ranks share the optimizer's state. */
  readonly sharesOptimizer: boolean;
  /** Threads that each rank computes with. */
  readonly threads: number;
  readonly folder: string;
  /** Iterations between checkpoints. */
  readonly saveInterval: number;
  /** Batches that are skipped in a row before the run ends. */
  readonly mostSkipped: number;
  readonly lossSpikeFactor: number;
  /** Iterations of which a multiple is the last before the run stops, with a checkpoint. */
  readonly exitInterval: number;
  /** When, as `Date.now()`, the run stops after the iteration that it is in. */
  readonly exitTime: number;
  /** The checkpoint that the run goes on from. */
  readonly resumed?: FoundCheckpoint;
  /** What a run begins with that does not begin at random. */
  readonly loaded?: LoadedWeights;
  /** One integer that is set to have the run stop, with a checkpoint. */
  readonly stop: SharedArrayBuffer;
}

export type RunEvent = StepEvent | EvaluationEvent | PredictedEvent;

/** How far a checkpoint is. */
export interface SavedProgress {
  readonly completed: Progress;
  readonly consumedSamples: number;
}

export interface PretrainRankResult {
  readonly completed: Progress;
  readonly tokensPerSecond: number;
  /** On text that no evaluation before has seen. */
  readonly test?: Evaluation;
}

/** How a rank tells others. */
export interface RankOutputs {
  /** The rank that knows the loss calls this. */
  readonly report: (event: RunEvent) => void;
  /** All ranks call this for a checkpoint, those whose state another has without a snapshot. */
  readonly save: (progress: SavedProgress, snapshot: Snapshot | undefined) => void | Promise<void>;
}

export async function pretrainRank(
  task: PretrainTask,
  ranks: Ranks,
  outputs: RankOutputs,
): Promise<PretrainRankResult> {
  const { samples, batches, trainIterations, resumed, chunks } = task;
  const { microBatchSize } = batches;
  const { mesh, place, groups } = ranks;
  // the loss is known on the last stage
  const isReporter = isDeepStrictEqual(place, reporterOf(mesh));
  const report = (event: RunEvent) => {
    if (isReporter) outputs.report(event);
  };
  const engine = openEngine({ threads: task.threads, groups });
  const peakFlops = await measurePeakFlops(engine, groups.world);
  const objective = createObjective(task.config, samples, microBatchSize);
  const { predictionCount } = objective;
  const trainer = await openTrainer(task, objective, engine, ranks);
  const evaluateOn = async (prepared: PreparedSamples) => {
    const text = await objective.openBatches(prepared);
    const all = Array.from({ length: task.evaluationBatches }, (_, i) =>
      text.batch(i * microBatchSize, microBatchSize),
    );
    text.close();
    return evaluateBatches(trainer, all, {
      vocabSize: task.config.vocab_size,
      ranks,
      microBatchSize,
      sequenceLength: samples.sequenceLength,
    });
  };
  const evaluate = async (iteration: number) => {
    const { samples: predicted, ...evaluation } = await evaluateOn(task.data.heldOut);
    report({ kind: 'evaluation', iteration, ...evaluation });
    if (predicted.length > 0) report({ kind: 'predicted', iteration, samples: predicted });
  };
  const atStart = resumed?.manifest.consumed_samples ?? 0;
  let consumed = atStart;
  let snapshot: Snapshot | undefined;
  const save = async () => {
    // data ranks have the same, but for what they share
    const isNeeded = place.data === 0 || task.sharesOptimizer;
    if (isNeeded) {
      snapshot ??= createSnapshot(trainer.parameters, optimizers[task.optimizer.optimizer].moments, {
        tensor: place.tensor,
        pipeline: place.pipeline,
        share: place.data,
      });
      await takeSnapshot(engine, trainer.parameters, snapshot);
    }
    await outputs.save({ completed: trainer.completed(), consumedSamples: consumed }, snapshot);
  };

  const train = await objective.openBatches(task.data.train);
  const { sequenceLength } = samples;
  const flops = modelFlops(task.config, { batchSize: microBatchSize, sequenceLength, predictionCount });
  const begun = trainer.completed().iterations;
  if (!resumed) await evaluate(0);
  let seconds = 0;
  let tokensPerSecond = 0;
  let skipped = 0;
  for (let iteration = begun + 1, stopped = false; iteration <= trainIterations && !stopped; iteration++) {
    const started = performance.now();
    const count = microBatchesAt(consumed, batches);
    const microBatches = Array.from({ length: count / mesh.data }, (_, i) =>
      train.batch(consumed + (i * mesh.data + place.data) * microBatchSize, microBatchSize),
    );
    const dataSeconds = (performance.now() - started) / 1000;
    consumed += count * microBatchSize;
    const { scalars, learningRate, gradientNorm, isSkipped } = await trainer.step(microBatches);
    const stepSeconds = (performance.now() - started) / 1000;
    seconds += stepSeconds;
    tokensPerSecond = ((consumed - atStart) * sequenceLength) / seconds;
    skipped = isSkipped ? skipped + 1 : 0;
    report({
      kind: 'step',
      iteration,
      loss: scalars.loss!,
      lm_loss: scalars.lm_loss!,
      ...(scalars.next_sentence_loss !== undefined && { next_sentence_loss: scalars.next_sentence_loss }),
      learning_rate: learningRate,
      global_batch_size: count * microBatchSize,
      consumed_samples: consumed,
      gradient_norm: gradientNorm,
      ...(isSkipped && { skipped: true }),
      seconds: stepSeconds,
      data_seconds: dataSeconds,
      tokens_per_second: tokensPerSecond,
      model_flops_per_second: (count * flops) / stepSeconds,
      peak_flops_per_second: peakFlops,
      memory: process.memoryUsage.rss(),
    });
    // all ranks know; the one that reports says so, after its report
    if (skipped > task.mostSkipped && isReporter)
      throw new Error(
        `${skipped} batches in a row were skipped, at last in iteration ${iteration}, where the gradient's norm is ${gradientNorm} and the loss ${scalars.loss}: try a smaller learning rate`,
      );
    const isLast = iteration === trainIterations;
    if (iteration % task.evaluationInterval === 0 || isLast) await evaluate(iteration);
    stopped = iteration % task.exitInterval === 0 || (await anyRankStops(task, groups.world));
    if (iteration % task.saveInterval === 0 || isLast || stopped) await save();
  }
  const completed = trainer.completed();
  train.close();
  const isComplete = completed.iterations === trainIterations;
  if (isComplete) {
    const declared = stagedParameters(objective.blocks, { stages: mesh.pipeline, chunks });
    await writeWeights(task.folder, engine, trainer.parameters, declared, ranks);
  }
  const { test } = task.data;
  const result = {
    completed,
    tokensPerSecond,
    ...(isComplete && test && { test: await evaluateOn(test) }),
  };
  await engine.release();
  return result;
}

async function openTrainer(
  task: PretrainTask,
  { blocks, evaluationBlocks }: Objective,
  engine: Engine,
  ranks: Ranks,
): Promise<Trainer> {
  const { config, samples, optimizer, schedule, resumed, loaded } = task;
  const { microBatchSize, globalBatchSize } = task.batches;
  const { sequenceLength, seed } = samples;
  const run = {
    batchSize: microBatchSize,
    sequenceLength,
    tensor: tensorParallel(ranks, task),
  };
  const { iteration = 0, skipped_iterations = 0, recent_losses = [] } = resumed?.manifest ?? {};
  const trainer = await createTrainer({
    engine,
    ranks,
    blocks,
    evaluationBlocks,
    hidden: hiddenInput(config, run),
    microBatchSize,
    sequenceLength,
    optimizer,
    schedule,
    seed,
    recomputeActivations: task.recomputeActivations,
    sequenceParallel: task.sequenceParallel,
    chunks: task.chunks,
    mostMicroBatches: globalBatchSize / microBatchSize / ranks.mesh.data,
    sharesOptimizer: task.sharesOptimizer,
    lossSpikeFactor: task.lossSpikeFactor,
    completed: {
      iterations: iteration,
      updates: iteration - skipped_iterations,
      recentLosses: recent_losses,
    },
  });
  if (resumed) {
    const checkpoint = await openTrainingCheckpoint(resumed);
    const { moments } = optimizers[optimizer.optimizer];
    await restoreParameters(engine, trainer.parameters, checkpoint, moments);
    await checkpoint.close();
  } else if (loaded) await loadParameters(engine, trainer.parameters, loaded, seed);
  else await initializeParameters(engine, trainer.parameters, seed);
  return trainer;
}

function anyRankStops({ stop, exitTime }: PretrainTask, world: Communicator): Promise<boolean> {
  const isTold = Atomics.load(new Int32Array(stop), 0) !== 0;
  return isOnAnyRank(isTold || Date.now() >= exitTime, world);
}
