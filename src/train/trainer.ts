import type { Engine, HostArray } from '../engine/engine.js';
import type { Value } from '../graph/value.js';
import type { Block } from '../model/blocks.js';
import { tensorParallel, type Ranks } from '../parallel/ranks.js';
import type { Batch, Scalars } from './chain.js';
import { createGradientSums, tiedParameters } from './gradients.js';
import { gradientNorm, updateParameters, type OptimizerOptions } from './optimizer.js';
import { optimizers } from './optimizers.js';
import { allocateParameters, type OwnParameters } from './parameters.js';
import { createPipeline, type Pipeline } from './pipeline.js';
import type { Recomputation } from './recomputation.js';
import { learningRateAt, type LearningRateSchedule } from './schedule.js';
import { stageBlocks } from './stages.js';

/** How batches of one size are computed. */
export interface BatchLayout {
  /** Of the whole model; this rank computes those of its stage. */
  readonly blocks: readonly Block[];
  /** The same, with what is wanted of an evaluation; `blocks` by default. */
  readonly evaluationBlocks?: readonly Block[];
  /** What blocks hand on: the input `hidden`. */
  readonly hidden: Value;
  readonly microBatchSize: number;
  readonly sequenceLength: number;
}

/** With the layout of most batches, and of the largest. */
export interface TrainerOptions extends BatchLayout {
  readonly engine: Engine;
  readonly ranks: Ranks;
  /** Tells by its name whether a parameter changes; all do by default. */
  readonly isTrained?: (name: string) => boolean;
  /** What the learning rate of a parameter is multiplied by; 1 by default. */
  readonly learningRateScale?: (name: string) => number;
  readonly optimizer: OptimizerOptions;
  readonly schedule: LearningRateSchedule;
  readonly recomputeActivations?: Recomputation;
  /** Tensor ranks share the rows of what is between the split matrices; `hidden` is then a rank's rows. */
  readonly sequenceParallel?: boolean;
  /** Parts of the model that each pipeline stage has, interleaved; 1 by default. */
  readonly chunks?: number;
  /** The most micro-batches that a step has on this rank; as many as there are stages by default. */
  readonly mostMicroBatches?: number;
  /** Each data rank keeps and updates its share of the optimizer's state. */
  readonly sharesOptimizer?: boolean;
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
  /** The last block's scalars, averaged over the micro-batches of all data ranks; on other stages than the last, none. */
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
  /**
   * One update from several micro-batches, whose losses are averaged. All ranks that share a replica of the model give
   * the same ones, and data ranks as many of their own: number i of a rank is number i · (data ranks) + rank of all.
   *
   * @param layout of all of them; the options' by default
   */
  step(microBatches: readonly Batch[], layout?: BatchLayout): Promise<StepReport>;
  /** Without dropout; every stage of the replica gives the same batch, and the last one gets the scalars. */
  evaluate(batch: Batch, layout?: BatchLayout): Promise<Scalars>;
  /** An output of the blocks in the last evaluation, scalar or not; on the last stage. */
  readEvaluated(name: string): Promise<HostArray>;
}

/** A model to train, its parameters still zero. */
export async function createTrainer(options: TrainerOptions): Promise<Trainer> {
  const { engine, ranks, blocks, optimizer, schedule } = options;
  const { lossSpikeFactor = Infinity, chunks = 1, sharesOptimizer = false } = options;
  const { isTrained = () => true, learningRateScale = () => 1 } = options;
  const { mesh, place, groups } = ranks;
  const pipelinePlace = { stage: place.pipeline, stages: mesh.pipeline, chunks };
  const own = stageBlocks(blocks, pipelinePlace).flatMap((chunk) => chunk.blocks);
  const allocated = allocateParameters(
    engine,
    own,
    tensorParallel(ranks),
    optimizers[optimizer.optimizer].moments.length,
    sharesOptimizer ? { size: mesh.data, rank: place.data } : undefined,
    isTrained,
  );
  const { parameters } = allocated;
  const tied = tiedParameters(blocks, mesh.pipeline, chunks).filter(isTrained);
  const beginSums = createGradientSums(engine, allocated, ranks, own, tied);
  const openMemory = engine.region();
  const pipelines = new Map<BatchLayout, Promise<Pipeline>>();
  const pipelineOf = (layout: BatchLayout): Promise<Pipeline> => {
    const known = pipelines.get(layout);
    if (known) return known;
    const all = { ...options, evaluationBlocks: layout.blocks, ...layout };
    const pipeline = createPipeline({ ...all, place: pipelinePlace, parameters, openMemory });
    pipelines.set(layout, pipeline);
    return pipeline;
  };
  let evaluated = await pipelineOf(options);
  let { iterations, updates, recentLosses } = options.completed ?? {
    iterations: 0,
    updates: 0,
    recentLosses: [],
  };

  return {
    parameters,
    completed: () => ({ iterations, updates, recentLosses }),
    async step(microBatches, layout = options) {
      const pipeline = await pipelineOf(layout);
      const sums = beginSums(microBatches.length);
      const scalars = await averageOverRanks(
        average(await pipeline.forwardBackward(microBatches, iterations, sums.computed)),
      );
      await sums.finish();
      const learningRate = learningRateAt(updates, schedule);
      const norm = await gradientNorm(engine, allocated, ranks, (name) => tied.includes(name));
      const loss = await fromLastStage(scalars.loss);
      const isSkipped = ![norm, loss].every(Number.isFinite) || loss > lossSpikeFactor * mean(recentLosses);
      iterations++;
      if (!isSkipped) {
        updates++;
        recentLosses = [...recentLosses, loss].slice(-mostRecent);
        await updateParameters(
          ...([engine, allocated, ranks, optimizer, norm, updates] as const),
          (name) => learningRate * learningRateScale(name),
        );
      }
      return { scalars, learningRate, gradientNorm: norm, isSkipped };
    },
    async evaluate(batch, layout = options) {
      evaluated = await pipelineOf(layout);
      return evaluated.evaluate(batch);
    },
    readEvaluated: (name) => evaluated.readEvaluated(name),
  };

  /** Of the last stage's data ranks, which have as many micro-batches each. */
  async function averageOverRanks(scalars: Scalars): Promise<Scalars> {
    if (mesh.data === 1) return scalars;
    const sums = Float32Array.from(Object.values(scalars));
    await groups.data.allReduce(sums, 'sum');
    return Object.fromEntries(Object.keys(scalars).map((name, i) => [name, sums[i]! / mesh.data]));
  }

  async function fromLastStage(loss: number | undefined): Promise<number> {
    if (mesh.pipeline === 1) return loss!;
    const told = Float32Array.of(loss ?? 0);
    await groups.pipeline.broadcast(told, mesh.pipeline - 1);
    return told[0]!;
  }
}

/** NaN of none. */
const mean = (numbers: readonly number[]) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;

export function average(all: readonly Scalars[]): Scalars {
  const names = Object.keys(all[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, mean(all.map((scalars) => scalars[name]!))]));
}
