import type { Engine, HostArray } from '../engine/engine.js';
import { input } from '../graph/functions.js';
import type { Value } from '../graph/value.js';
import type { Block } from '../model/blocks.js';
import type { TensorParallel } from '../model/run.js';
import type { Communicator } from '../parallel/communicator.js';
import { randomKey } from '../random.js';
import {
  createEvaluationChain,
  createTrainingChain,
  type Batch,
  type EvaluationChain,
  type Scalars,
} from './chain.js';
import { gradientNorm, updateParameters, type OptimizerOptions } from './optimizer.js';
import { optimizers } from './optimizers.js';
import { allocateParameters, type OwnParameters } from './parameters.js';
import type { Recomputation } from './recomputation.js';
import { learningRateAt, type LearningRateSchedule } from './schedule.js';

export interface TrainerOptions {
  readonly engine: Engine;
  readonly communicator: Communicator;
  readonly tensor: TensorParallel;
  readonly blocks: readonly Block[];
  /** The same, with what is wanted of an evaluation; `blocks` by default. */
  readonly evaluationBlocks?: readonly Block[];
  /** What blocks hand on: the input `hidden`. */
  readonly hidden: Value;
  readonly microBatchSize: number;
  readonly sequenceLength: number;
  readonly optimizer: OptimizerOptions;
  readonly schedule: LearningRateSchedule;
  readonly recomputeActivations?: Recomputation;
  /** Of the dropout masks. */
  readonly seed: number;
  /** A batch whose loss is more than so many times the mean of `recentLosses` is skipped; none by default. */
  readonly lossSpikeFactor?: number;
  /** Where a run goes on: 0 by default. */
  readonly completed?: Progress;
}

export interface Progress {
  readonly iterations: number;
  /** Fewer, where batches were skipped. */
  readonly updates: number;
  /** Of the last 100 updates. */
  readonly recentLosses: readonly number[];
}

const mostRecent = 100;

export interface StepReport {
  /** The last block's scalars, averaged over the micro-batches. */
  readonly scalars: Scalars;
  readonly learningRate: number;
  /** Before clipping. */
  readonly gradientNorm: number;
  /** Whether nothing was updated, the gradient not being finite or the loss a spike. */
  readonly isSkipped: boolean;
}

export interface Trainer {
  readonly parameters: OwnParameters;
  readonly completed: () => Progress;
  /** One update from several micro-batches, whose losses are averaged. */
  step(microBatches: readonly Batch[]): Promise<StepReport>;
  /** Without dropout; a chain of its own, made when it is first asked for. */
  evaluate(batch: Batch): Promise<Scalars>;
  /** An output of the blocks in the last evaluation, scalar or not. */
  readEvaluated(name: string): Promise<HostArray>;
}

/** A model to train, its parameters still zero. */
export async function createTrainer(options: TrainerOptions): Promise<Trainer> {
  const { engine, communicator, tensor, blocks, hidden, optimizer, schedule, seed } = options;
  const { lossSpikeFactor = Infinity } = options;
  const parameters = allocateParameters(
    engine,
    blocks,
    tensor,
    optimizers[optimizer.optimizer].moments.length,
  );
  const run = { batchSize: options.microBatchSize, sequenceLength: options.sequenceLength, tensor };
  const chainOptions = { engine, blocks, parameters, hidden };
  const dropoutKey = input('dropout_key', [2], 'int32');
  const training = await createTrainingChain(
    { ...chainOptions, run: { ...run, dropoutKey } },
    options.recomputeActivations,
  );
  let evaluation: Promise<EvaluationChain> | undefined;
  let { iterations, updates, recentLosses } = options.completed ?? {
    iterations: 0,
    updates: 0,
    recentLosses: [],
  };

  return {
    parameters,
    completed: () => ({ iterations, updates, recentLosses }),
    async step(microBatches) {
      const accumulated = new Set<string>();
      const all: Scalars[] = [];
      for (const [i, batch] of microBatches.entries()) {
        all.push(await training.forward(batch, (block) => randomKey(seed, 'dropout', iterations, i, block)));
        await training.backward(1 / microBatches.length, accumulated);
      }
      const learningRate = learningRateAt(updates, schedule);
      const norm = await gradientNorm(engine, parameters, communicator);
      const scalars = average(all);
      const loss = scalars.loss!;
      const isSkipped = ![norm, loss].every(Number.isFinite) || loss > lossSpikeFactor * mean(recentLosses);
      iterations++;
      if (!isSkipped) {
        updates++;
        recentLosses = [...recentLosses, loss].slice(-mostRecent);
        await updateParameters(engine, parameters, communicator, optimizer, norm, updates, learningRate);
      }
      return { scalars, learningRate, gradientNorm: norm, isSkipped };
    },
    async evaluate(batch) {
      const evaluationBlocks = options.evaluationBlocks ?? blocks;
      evaluation ??= createEvaluationChain({ ...chainOptions, blocks: evaluationBlocks, run });
      return (await evaluation).forward(batch);
    },
    async readEvaluated(name) {
      if (!evaluation) throw new Error('nothing was evaluated');
      return (await evaluation).read(name);
    },
  };
}

/** NaN of none. */
const mean = (numbers: readonly number[]) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;

export function average(all: readonly Scalars[]): Scalars {
  const names = Object.keys(all[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, mean(all.map((scalars) => scalars[name]!))]));
}
