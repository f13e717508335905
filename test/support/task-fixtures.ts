/** What transformers' scripts and its Trainer make of the tasks of fine-tuning (parity/make_task_fixtures.py). */
import { singleRanks } from '../../src/parallel/ranks.js';
import { prepareTask } from '../../src/tasks/prepare-task.js';
import type { Row, TaskOptions } from '../../src/tasks/task.js';
import { taskOf, type TaskName } from '../../src/tasks/tasks.js';
import type { TrainingArguments } from '../../src/train/fine-tuning/arguments.js';
import { fixture, readGzippedJson } from './fixture.js';

export type Feature = Readonly<Record<string, unknown>>;

interface StoredFeatures {
  readonly options: Partial<TaskOptions>;
  readonly repeated: number;
  readonly hashes: readonly string[];
  readonly first: readonly Feature[];
}

export interface Run {
  readonly options: Partial<TaskOptions>;
  readonly arguments: TrainingArguments;
  readonly loss: readonly number[];
  readonly gradient_norm: readonly (number | null)[];
  readonly learning_rate: readonly number[];
  readonly evaluation: Readonly<Record<string, number>>;
  readonly predictions: unknown;
  /** Whether only rows with answers are used. */
  readonly answered?: boolean;
  readonly batches?: Readonly<Record<'train' | 'evaluation', readonly MaskedBatch[]>>;
}

/** Places of a batch, from its first token on, and what stands there. */
export interface MaskedBatch {
  readonly masked: readonly number[];
  readonly tokens: readonly number[];
}

export interface DataSet {
  readonly task: TaskName;
  readonly model: string;
  readonly rows: readonly Row[];
  readonly features: Readonly<Record<string, StoredFeatures>>;
  readonly runs: Readonly<Record<string, Run>>;
}

const names = [
  'classification',
  'pairs',
  'regression',
  'multi-label',
  'tokens',
  'questions',
  'choices',
  'masked-lm',
  'causal-lm',
];
export const dataSets = new Map(
  names.map((name) => [name, readGzippedJson(`tasks/${name}.json.gz`) as DataSet]),
);
export const noDropout = { hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 };

/** A data set as it is prepared here: some of its rows to train on, and to evaluate. */
export const prepared = (
  { task, model }: DataSet,
  rows: readonly Row[],
  options: Partial<TaskOptions>,
  evaluated: readonly Row[] = [],
) =>
  prepareTask(
    taskOf(task),
    {
      train: { source: 'rows', rows },
      evaluations: evaluated.length > 0 ? { eval: { source: 'rows', rows: evaluated } } : {},
    },
    {
      ...{ model: fixture(model), columns: {}, options, isRegression: false, config: noDropout },
      mesh: singleRanks.mesh,
    },
  );
