/** What a run leaves besides its model: transformers' files of results, and what people look at. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { TrainingPlan } from '../train/fine-tuning/fine-tune-rank.js';
import { stateJson, stateName } from '../train/fine-tuning/state.js';
import type { FinetuneOptions } from './finetune-options.js';
import { writeReport } from './report/write-report.js';
import type { ReportSubject } from './report/report.js';
import type { EvaluationResult, RankResult } from './task-rank.js';
import type { TaskContext } from './task.js';

export type TaskResults = Readonly<Record<string, number>>;

export interface TrainedRun {
  readonly options: FinetuneOptions;
  readonly context: TaskContext;
  readonly trainExamples: number;
  readonly plan: TrainingPlan;
  /** Whether an adapter is trained, and not a whole model. */
  readonly isAdapter: boolean;
}

/** @returns all of them */
export async function writeResults(
  output: string,
  result: RankResult,
  run: TrainedRun,
): Promise<TaskResults> {
  const { state, seconds } = result;
  const { trainExamples, plan } = run;
  const seen = trainExamples * (state.global_step / plan.stepsPerEpoch);
  const train = {
    epoch: state.epoch,
    train_loss: state.total_loss / Math.max(1, state.global_step),
    train_runtime: seconds,
    train_samples: trainExamples,
    train_samples_per_second: seen / seconds,
    train_steps_per_second: state.global_step / seconds,
  };
  await writeJson(output, 'train_results.json', train);
  const evaluated = await writeEvaluationFiles(output, result, { epoch: state.epoch });
  const all = { ...train, ...evaluated };
  await writeJson(output, 'all_results.json', all);
  await writeFile(path.join(output, stateName), stateJson(state));
  await writeReport(output, run, result.evaluations, { ...run, state, results: train });
  return all;
}

/** `eval_results.json`, what was predicted, and a report of it. @returns all results */
export async function writeEvaluations(
  output: string,
  result: Pick<RankResult, 'evaluations'>,
  subject: Pick<ReportSubject, 'options' | 'context'>,
): Promise<TaskResults> {
  const all = await writeEvaluationFiles(output, result);
  await writeReport(output, subject, result.evaluations);
  return all;
}

/** @param more that each file has */
async function writeEvaluationFiles(
  output: string,
  { evaluations }: Pick<RankResult, 'evaluations'>,
  more: TaskResults = {},
): Promise<TaskResults> {
  await mkdir(output, { recursive: true });
  for (const [prefix, evaluation] of Object.entries(evaluations)) {
    await writeJson(output, `${prefix}_results.json`, { ...more, ...resultsOf(prefix, evaluation) });
    for (const { name, text } of evaluation.predictions.files)
      await writeFile(path.join(output, `${prefix}_${name}`), text);
  }
  return { ...more, ...evaluationResults({ evaluations }) };
}

/** Of all evaluations together. */
export const evaluationResults = ({ evaluations }: Pick<RankResult, 'evaluations'>): TaskResults =>
  Object.assign(
    {},
    ...Object.entries(evaluations).map(([prefix, one]) => resultsOf(prefix, one)),
  ) as TaskResults;

const resultsOf = (prefix: string, { metrics, seconds, examples }: EvaluationResult): TaskResults => ({
  ...metrics,
  [`${prefix}_runtime`]: seconds,
  [`${prefix}_samples`]: examples,
  [`${prefix}_samples_per_second`]: examples / seconds,
});

/** As transformers writes it: sorted, four spaces. */
async function writeJson(output: string, name: string, values: TaskResults): Promise<void> {
  const sorted = Object.fromEntries(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1)));
  await writeFile(path.join(output, name), `${JSON.stringify(sorted, null, 4)}\n`);
}
