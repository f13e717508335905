/** What there is to tell people of a run. */
import path from 'node:path';
import type { TaskClass } from '../../model/task-blocks.js';
import { stepOf } from '../../train/fine-tuning/checkpoint.js';
import type { TrainingPlan } from '../../train/fine-tuning/fine-tune-rank.js';
import type { LoggedNumbers, TrainerState } from '../../train/fine-tuning/state.js';
import type { Metrics } from '../../train/fine-tuning/workload.js';
import type { DataSource, FinetuneOptions, TaskRunOptions } from '../finetune-options.js';
import { benchmarks } from '../benchmarks/benchmarks.js';
import type { GlueTask } from '../metrics/glue.js';
import type { EvaluationResult } from '../task-rank.js';
import type { LabelSet, TaskContext } from '../task.js';
import { taskOf, type TaskName } from '../tasks.js';
import { hyperParameters, type NamedValue } from './hyper-parameters.js';
import { metricTitle } from './task-cards.js';

export interface Report {
  /** Of the output folder, or of the model that was measured. */
  readonly name: string;
  readonly task: TaskName;
  readonly className: TaskClass;
  readonly problem: LabelSet['problem'];
  /** Empty where labels have no names: of answers, endings and words. */
  readonly labels: readonly string[];
  /** What the run began with. */
  readonly model: ModelName;
  /** What data are called, by `train`, `eval` and `predict`. */
  readonly data: Readonly<Record<string, DataName>>;
  readonly glueTask?: GlueTask;
  /** Without what comes before it: `accuracy`. */
  readonly mainMetric: string;
  readonly evaluations: Readonly<Record<string, EvaluationResult>>;
  /** A table of a benchmark's result and the published ones. */
  readonly beside?: string;
  readonly training?: TrainingReport;
}

export interface TrainingReport {
  readonly history: readonly LoggedNumbers[];
  /** transformers' names: `train_runtime`. */
  readonly results: Readonly<Record<string, number>>;
  readonly hyperParameters: readonly NamedValue[];
  /** Of the best model that was saved, where that was kept, and else of the best that was evaluated. */
  readonly bestStep: number | null;
  /** Whether the best model was kept, and not that of the last step. */
  readonly isBestKept: boolean;
  readonly lastStep: number;
  /** Whether the folder has an adapter, and not a whole model. */
  readonly isAdapter: boolean;
}

export interface ModelName {
  readonly name: string;
  /** Whether others can get it by this name. */
  readonly isOnHub: boolean;
}

export interface DataName {
  readonly name: string;
  /** As `datasets` calls it: `json`, `csv`. */
  readonly type: string;
}

/** What a report is about, besides results. */
export interface ReportSubject {
  readonly options: TaskRunOptions;
  readonly context: TaskContext;
  /** Whether the model is no folder here. */
  readonly isOnHub: boolean;
}

export interface ReportedTraining {
  readonly options: FinetuneOptions;
  readonly plan: TrainingPlan;
  readonly isAdapter: boolean;
  readonly state: Pick<
    TrainerState,
    'log_history' | 'best_global_step' | 'best_model_checkpoint' | 'global_step'
  >;
  readonly results: Readonly<Record<string, number>>;
}

/** @param training where the run was one */
export function reportOf(
  { options, context, isOnHub }: ReportSubject,
  evaluations: Report['evaluations'],
  training?: ReportedTraining,
): Report {
  const { task, model, validation, test } = options;
  const { className, labels } = context;
  const hasNames = task === 'sequence-classification' || task === 'token-classification';
  const main = training?.plan.best?.metric.replace(/^eval_/, '') ?? taskOf(task).mainMetric(context).name;
  const glueTask = context.options.glue_task;
  const train = training?.options.train;
  const metrics = Object.assign({}, ...Object.values(evaluations).map((one) => one.metrics)) as Metrics;
  const beside = options.benchmark && benchmarks[options.benchmark].beside?.(metrics);
  return {
    name: nameOf(training ? training.options.output_dir : model),
    ...{ task, className, problem: labels.problem, evaluations, mainMetric: main },
    labels: hasNames && labels.problem !== 'regression' ? labels.names : [],
    model: { name: isOnHub ? model : nameOf(model), isOnHub },
    data: {
      ...(train && { train: dataName(train) }),
      ...(validation && { eval: dataName(validation) }),
      ...(test && { predict: dataName(test) }),
    },
    ...(glueTask !== undefined && { glueTask }),
    ...(beside !== undefined && { beside }),
    ...(training && {
      training: {
        history: training.state.log_history,
        results: training.results,
        hyperParameters: hyperParameters(training.options, training.plan, context),
        ...bestOf(training),
        lastStep: training.state.global_step,
        isAdapter: training.isAdapter,
      },
    }),
  };
}

function bestOf({ plan, state: { best_global_step, best_model_checkpoint } }: ReportedTraining) {
  const isBestKept = plan.best?.isLoaded === true && best_model_checkpoint !== null;
  return {
    isBestKept,
    bestStep: isBestKept ? stepOf(path.basename(best_model_checkpoint)) : best_global_step,
  };
}

/** Which model the folder has. */
export const keptModel = (
  { isBestKept, bestStep, lastStep }: TrainingReport,
  { mainMetric }: Pick<Report, 'mainMetric'>,
) =>
  isBestKept
    ? `It is the model of step ${bestStep}, the best by ${metricTitle(mainMetric)}.`
    : `It is the model of the last step, ${lastStep}.`;

/** Where a folder is on this machine is nobody's business. */
const nameOf = (folder: string) => path.basename(path.resolve(folder));

const types: Readonly<Record<string, string>> = {
  ...{ '.json': 'json', '.jsonl': 'json', '.csv': 'csv', '.tsv': 'csv' },
  ...{ '.parquet': 'parquet', '.txt': 'text', '.conll': 'text' },
};

function dataName(source: DataSource): DataName {
  const files = [source].flat().filter((one) => typeof one === 'string');
  if (files.length === 0) return { name: 'rows of the program', type: 'generator' };
  const type = types[path.extname(files[0]!).toLowerCase()] ?? 'text';
  return { name: files.map((file) => path.basename(file)).join(', '), type };
}
