/** What each rank of fine-tuning does, be it a thread or a process. */
import { isDeepStrictEqual } from 'node:util';
import path from 'node:path';
import type { Engine } from '../../engine/engine.js';
import { InputError } from '../../errors.js';
import { rankAt, reporterOf } from '../../parallel/mesh.js';
import { shareObject } from '../../parallel/objects.js';
import { isOnAnyRank, type Ranks } from '../../parallel/ranks.js';
import { isWriter } from '../export.js';
import { loadParameters, type LoadedWeights } from '../loaded-weights.js';
import type { OptimizerOptions } from '../optimizer.js';
import { optimizers } from '../optimizers.js';
import type { Recomputation } from '../recomputation.js';
import type { LearningRateSchedule } from '../schedule.js';
import { stagedParameters } from '../stages.js';
import { createTrainer, type Progress, type Trainer } from '../trainer.js';
import {
  checkpointName,
  readModel,
  readOptimizer,
  rotateCheckpoints,
  writeCheckpoint,
  writeModel,
  type Checkpointed,
  type ExportedModel,
} from './checkpoint.js';
import { evaluateExamples } from './evaluate.js';
import { epochOrder, stepExamples, type SamplingOptions } from './sampling.js';
import { initialState, readState, stateName, type LoggedNumbers, type TrainerState } from './state.js';
import { predictPrefix, type EvaluatedBatch, type Metrics, type Workload } from './workload.js';

/** How a model is trained; plain data. */
export interface TrainingPlan {
  readonly sampling: SamplingOptions;
  readonly maxSteps: number;
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  readonly optimizer: OptimizerOptions;
  readonly schedule: LearningRateSchedule;
  readonly recomputeActivations: Recomputation;
  /** Steps between logs, evaluations and checkpoints; infinite for none but at the end of the run. */
  readonly loggingSteps: number;
  readonly evaluationSteps: number;
  readonly saveSteps: number;
  /** The newest checkpoints that are kept. */
  readonly keepCheckpoints: number;
  /** The metric by which an evaluation is better than another, and how. */
  readonly best?: { readonly metric: string; readonly isGreater: boolean; readonly isLoaded: boolean };
  /** Evaluations in a row that are no better, after which the run ends. */
  readonly patience: number;
  /** By how much better an evaluation must be for that. */
  readonly patienceThreshold: number;
  readonly seed: number;
}

export interface FineTuneTask {
  readonly plan: TrainingPlan;
  readonly weights: LoadedWeights;
  /** Names of the parameters that change, and what their learning rates are multiplied by, where it is not 1. */
  readonly trained: ReadonlySet<string>;
  readonly learningRateScales: ReadonlyMap<string, number>;
  readonly model: ExportedModel;
  /** The folder that checkpoints and the model are written to. */
  readonly output: string;
  /** A folder whose adapter goes on the weights. */
  readonly adapter?: string;
  /** The checkpoint that the run goes on from. */
  readonly resumed?: string;
  /** Set to one to have the run stop, with a checkpoint. */
  readonly stop: SharedArrayBuffer;
}

export type FineTuneEvent =
  | { readonly kind: 'log'; readonly step: number; readonly values: LoggedNumbers }
  | { readonly kind: 'step'; readonly step: number; readonly loss: number; readonly seconds: number }
  | { readonly kind: 'evaluating'; readonly done: number; readonly of: number }
  | { readonly kind: 'evaluation'; readonly step: number; readonly metrics: Metrics }
  | { readonly kind: 'saved'; readonly step: number; readonly folder: string };

export interface FineTuned {
  readonly state: TrainerState;
  readonly isComplete: boolean;
  readonly seconds: number;
  /** Of the model that is left, by evaluation, on the last stage. */
  readonly evaluations: Readonly<
    Record<
      string,
      { readonly metrics: Metrics; readonly seconds: number; readonly evaluated: EvaluatedBatch[] }
    >
  >;
}

interface TrainedParts {
  readonly engine: Engine;
  readonly ranks: Ranks;
  readonly workload: Workload;
}

/** Opens a trainer and reads the model's weights into it. */
async function openFineTuning(
  { plan, weights, trained, learningRateScales, model, adapter }: FineTuneTask,
  { engine, ranks, workload }: TrainedParts,
  completed?: Progress,
): Promise<{ readonly trainer: Trainer; readonly checkpointed: Checkpointed }> {
  const { microBatches } = plan.sampling;
  const isTrained = (name: string) => trained.has(name);
  const trainer = await createTrainer({
    ...workload.largest,
    ...{ engine, ranks, isTrained },
    learningRateScale: (name) => learningRateScales.get(name) ?? 1,
    optimizer: plan.optimizer,
    schedule: plan.schedule,
    seed: plan.seed,
    recomputeActivations: plan.recomputeActivations,
    mostMicroBatches: microBatches / ranks.mesh.data,
    ...(completed && { completed }),
  });
  await loadParameters(engine, trainer.parameters, weights, plan.seed);
  const declared = stagedParameters(workload.largest.blocks, {
    stages: ranks.mesh.pipeline,
    chunks: 1,
  });
  const checkpointed = {
    ...{ engine, ranks, model, parameters: trainer.parameters },
    trained: declared.filter(({ name }) => isTrained(name)),
    written: declared.filter(({ name }) => model.names.has(name)),
    moments: optimizers[plan.optimizer.optimizer].moments,
  };
  if (adapter !== undefined) await readModel(adapter, checkpointed);
  return { trainer, checkpointed };
}

/** @param report is called on the rank that knows the loss */
export async function fineTuneRank(
  task: FineTuneTask,
  parts: TrainedParts,
  report: (event: FineTuneEvent) => void,
): Promise<FineTuned> {
  const { plan, output } = task;
  const { ranks, workload } = parts;
  const { mesh, place, groups } = ranks;
  const { sampling, maxSteps, stepsPerEpoch } = plan;
  const isReporter = isDeepStrictEqual(place, reporterOf(mesh));
  const reporter = rankAt(reporterOf(mesh), mesh);
  const tell = (event: FineTuneEvent) => {
    if (isReporter) report(event);
  };
  const train = workload.train!;
  const begun = initialState({
    max_steps: maxSteps,
    num_train_epochs: plan.epochs,
    train_batch_size: sampling.microBatchSize,
    sampled: {
      examples: train.lengths.length,
      tokens: Array.from(train.lengths).reduce((sum, length) => sum + length, 0),
      batch_size: sampling.microBatchSize * sampling.microBatches,
      ...{ strategy: sampling.strategy, seed: sampling.seed },
    },
  });
  let state = task.resumed ? await readState(path.join(task.resumed, stateName), begun) : begun;
  const { trainer, checkpointed } = await openFineTuning(task, parts, {
    iterations: state.global_step,
    updates: state.global_step - state.skipped_steps,
    recentLosses: [],
  });
  if (task.resumed) {
    await readModel(task.resumed, checkpointed);
    await readOptimizer(task.resumed, checkpointed);
  }

  const log = (values: LoggedNumbers) => {
    const entry = { ...values, epoch: state.epoch, step: state.global_step };
    state.log_history.push(entry);
    tell({ kind: 'log', step: state.global_step, values: entry });
  };
  /** Every rank learns whether the run is to end. */
  const evaluateAndCompare = async (): Promise<boolean> => {
    const all = await evaluateAll(trainer, parts, tell, (prefix) => prefix !== predictPrefix);
    const metrics = Object.assign({}, ...Object.values(all).map((one) => one.metrics)) as Metrics;
    if (isReporter) {
      log(metrics);
      tell({ kind: 'evaluation', step: state.global_step, metrics });
      compare(state, metrics, plan);
    }
    state = await shareObject(state, reporter, groups.world);
    return state.patience_counter >= plan.patience;
  };
  const save = async () => {
    state = await shareObject(state, reporter, groups.world);
    // the best of those that are saved, as transformers has it
    if (state.best_global_step === state.global_step)
      state.best_model_checkpoint = path.join(output, checkpointName(state.global_step));
    const folder = await writeCheckpoint(output, state, checkpointed);
    if (isWriter(ranks))
      await rotateCheckpoints(output, { keep: plan.keepCheckpoints, best: state.best_model_checkpoint });
    tell({ kind: 'saved', step: state.global_step, folder });
  };

  const started = performance.now();
  let isStopped = state.patience_counter >= plan.patience;
  let savedAt = state.global_step;
  while (state.global_step < maxSteps && !isStopped) {
    const epoch = Math.floor(state.global_step / stepsPerEpoch);
    const order = epochOrder(train.lengths, epoch, sampling);
    for (let step = state.global_step % stepsPerEpoch; step < stepsPerEpoch; step++) {
      const begun = performance.now();
      const all = stepExamples(order, step, sampling, mesh.data);
      const { layout, batches } = train.batches(all, epoch);
      const own = batches.filter((_, i) => i % mesh.data === place.data);
      const { scalars, learningRate, gradientNorm, isSkipped } = await trainer.step(own, layout);
      state.global_step++;
      state.epoch = state.global_step / stepsPerEpoch;
      state.loss_sum += scalars.loss ?? 0;
      state.total_loss += scalars.loss ?? 0;
      state.loss_steps++;
      if (isSkipped) state.skipped_steps++;
      const seconds = (performance.now() - begun) / 1000;
      tell({ kind: 'step', step: state.global_step, loss: scalars.loss!, seconds });
      const isLast = state.global_step === maxSteps;
      const isDue = (interval: number) => state.global_step % interval === 0;
      if (isDue(plan.loggingSteps)) {
        log({
          loss: state.loss_sum / state.loss_steps,
          grad_norm: gradientNorm,
          learning_rate: learningRate,
        });
        Object.assign(state, { loss_sum: 0, loss_steps: 0 });
      }
      if (isDue(plan.evaluationSteps) || (isLast && plan.evaluationSteps < Infinity))
        isStopped = await evaluateAndCompare();
      const isAsked = await isOnAnyRank(Atomics.load(new Int32Array(task.stop), 0) !== 0, groups.world);
      if (isDue(plan.saveSteps) || isAsked || ((isLast || isStopped) && plan.saveSteps < Infinity)) {
        await save();
        savedAt = state.global_step;
      }
      if (isAsked) return { state, isComplete: false, seconds: secondsSince(started), evaluations: {} };
      if (isStopped || isLast) break;
    }
  }
  const seconds = secondsSince(started);
  const { best_model_checkpoint: best } = state;
  if (plan.best?.isLoaded && best !== null && savedAt > 0) await readModel(best, checkpointed);
  const evaluations = await evaluateAll(trainer, parts, tell);
  await writeModel(output, checkpointed);
  await groups.world.barrier();
  return { state, isComplete: true, seconds, evaluations };
}

const secondsSince = (started: number) => (performance.now() - started) / 1000;

/** What is measured of a model as it is; see `fineTuneRank`. */
export async function evaluateRank(
  task: FineTuneTask,
  parts: TrainedParts,
  report: (event: FineTuneEvent) => void,
): Promise<FineTuned> {
  const { trainer } = await openFineTuning(task, parts);
  const started = performance.now();
  const evaluations = await evaluateAll(trainer, parts, report);
  const state = initialState({ max_steps: 0, num_train_epochs: 0, train_batch_size: 0, sampled: null });
  return { state, isComplete: true, seconds: secondsSince(started), evaluations };
}

/** @returns what the rank that knows the loss has found; the others nothing */
async function evaluateAll(
  trainer: Trainer,
  { ranks, workload }: TrainedParts,
  report: (event: FineTuneEvent) => void,
  isWanted: (prefix: string) => boolean = () => true,
): Promise<FineTuned['evaluations']> {
  const isReporter = isDeepStrictEqual(ranks.place, reporterOf(ranks.mesh));
  const all: Record<string, FineTuned['evaluations'][string]> = {};
  for (const [prefix, examples] of Object.entries(workload.evaluations)) {
    if (!isWanted(prefix)) continue;
    const started = performance.now();
    const evaluated = await evaluateExamples(trainer, examples, ranks, (done, of) => {
      if (isReporter) report({ kind: 'evaluating', done, of });
    });
    if (!isReporter) continue;
    // transformers' scripts give the perplexity no prefix
    const named = (name: string) => (prefix === 'eval' && name === 'perplexity' ? name : `${prefix}_${name}`);
    const metrics = Object.entries(examples.metrics(evaluated)).map(([name, value]) => [named(name), value]);
    const ofAll = Object.fromEntries(metrics) as Metrics;
    all[prefix] = { metrics: ofAll, seconds: secondsSince(started), evaluated };
  }
  return all;
}

/** Keeps in mind which evaluation is the best so far, and for how long none was better. */
function compare(state: TrainerState, metrics: Metrics, plan: TrainingPlan): void {
  const { best, patienceThreshold } = plan;
  if (!best) return;
  const value = metrics[best.metric];
  if (value === undefined)
    throw new InputError(
      `the best model: expected one of the metrics ${Object.keys(metrics).join(', ')}, found ${best.metric}`,
    );
  const { best_metric } = state;
  const gain = best_metric === null ? Infinity : (value - best_metric) * (best.isGreater ? 1 : -1);
  state.patience_counter = gain > patienceThreshold ? 0 : state.patience_counter + 1;
  if (!(gain > 0)) return;
  state.best_metric = value;
  state.best_global_step = state.global_step;
}
