import type { Engine } from '../engine/engine.js';
import { input } from '../graph/functions.js';
import type { Value } from '../graph/value.js';
import type { Block } from '../model/blocks.js';
import type { TensorParallel } from '../model/run.js';
import type { Communicator } from '../parallel/communicator.js';
import { randomKey } from '../random.js';
import { createEvaluationChain, createTrainingChain, type Batch, type Chain, type Scalars } from './chain.js';
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
  /** What blocks hand on: the input `hidden`. */
  readonly hidden: Value;
  readonly microBatchSize: number;
  readonly sequenceLength: number;
  readonly optimizer: OptimizerOptions;
  readonly schedule: LearningRateSchedule;
  readonly recomputeActivations?: Recomputation;
  /** Of the dropout masks. */
  readonly seed: number;
  /** Where a run goes on: 0 by default. */
  readonly completed?: Progress;
}

export interface Progress {
  readonly iterations: number;
  /** Fewer, where batches were skipped. */
  readonly updates: number;
}

export interface StepReport {
  /** The last block's scalars, averaged over the micro-batches. */
  readonly scalars: Scalars;
  readonly learningRate: number;
  /** Before clipping. */
  readonly gradientNorm: number;
  /** Whether nothing was updated, the gradient not being finite. */
  readonly isSkipped: boolean;
}

export interface Trainer {
  readonly parameters: OwnParameters;
  readonly completed: () => Progress;
  /** One update from several micro-batches, whose losses are averaged. */
  step(microBatches: readonly Batch[]): Promise<StepReport>;
  /** Without dropout; a chain of its own, made when it is first asked for. */
  evaluate(batch: Batch): Promise<Scalars>;
}

/** A model to train, its parameters still zero. */
export async function createTrainer(options: TrainerOptions): Promise<Trainer> {
  const { engine, communicator, tensor, blocks, hidden, optimizer, schedule, seed } = options;
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
  let evaluation: Promise<Chain> | undefined;
  let { iterations, updates } = options.completed ?? { iterations: 0, updates: 0 };

  return {
    parameters,
    completed: () => ({ iterations, updates }),
    async step(microBatches) {
      const accumulated = new Set<string>();
      const all: Scalars[] = [];
      for (const [i, batch] of microBatches.entries()) {
        all.push(await training.forward(batch, (block) => randomKey(seed, 'dropout', iterations, i, block)));
        await training.backward(1 / microBatches.length, accumulated);
      }
      const learningRate = learningRateAt(updates, schedule);
      const norm = await gradientNorm(engine, parameters, communicator);
      const isSkipped = !Number.isFinite(norm);
      iterations++;
      if (!isSkipped) {
        updates++;
        await updateParameters(engine, parameters, communicator, optimizer, norm, updates, learningRate);
      }
      return { scalars: average(all), learningRate, gradientNorm: norm, isSkipped };
    },
    async evaluate(batch) {
      evaluation ??= createEvaluationChain({ ...chainOptions, run });
      return (await evaluation).forward(batch);
    },
  };
}

export function average(all: readonly Scalars[]): Scalars {
  const names = Object.keys(all[0] ?? {});
  return Object.fromEntries(
    names.map((name) => [name, all.reduce((sum, scalars) => sum + scalars[name]!, 0) / all.length]),
  );
}
