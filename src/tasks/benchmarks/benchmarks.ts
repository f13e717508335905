/** Megatron-LM's evaluations by name: what they read, and the task that measures it. */
import { readFile } from 'node:fs/promises';
import type { AnyTokenizer } from '../../text/tokenizer-json.js';
import type { Row } from '../data/row.js';
import { readRows } from '../data/rows.js';
import type { TaskOptions } from '../task.js';
import type { MeasuredTask, TaskName } from '../tasks.js';
import { readConll2003 } from './conll2003.js';
import { mnliExamples, mnliLabels } from './mnli.js';
import { besidePublished } from './published.js';
import { qqpExamples } from './qqp.js';
import { readRace } from './race.js';
import { readSwag } from './swag.js';

export const benchmarkNames = [
  'glue/mnli',
  'glue/qqp',
  'squad',
  'squad_v2',
  'race',
  'swag',
  'conll2003',
  'wikitext103',
  'lambada',
] as const;
export type BenchmarkName = (typeof benchmarkNames)[number];

interface BenchmarkContext {
  readonly tokenizer: AnyTokenizer;
  readonly warn: (message: string) => void;
}

export interface BenchmarkDefinition {
  readonly task: TaskName;
  /** What measures it, where the task's own metrics are others. */
  readonly measuredAs?: MeasuredTask;
  readonly options: Partial<TaskOptions>;
  /** Of a file; of RACE a folder. @throws InputError naming what is not as the benchmark has it */
  readonly read: (path: string, context: BenchmarkContext) => AsyncIterable<Row> | Promise<readonly Row[]>;
  /** The result beside those of the paper, where it has any. @param of the metrics by their names */
  readonly beside?: (metrics: Readonly<Record<string, number>>) => string;
}

const text = (path: string) => readFile(path, 'utf8');

const percent = (metric: number | undefined) => 100 * (metric ?? NaN);

export const benchmarks: Readonly<Record<BenchmarkName, BenchmarkDefinition>> = {
  'glue/mnli': {
    task: 'sequence-classification',
    options: { glue_task: 'mnli' },
    read: async (path) =>
      mnliExamples(await text(path), path).map(({ label, ...row }) => ({
        ...row,
        label: label === null ? null : mnliLabels[label],
      })),
    beside: ({ eval_accuracy }) => besidePublished('mnli', { matched: percent(eval_accuracy) }),
  },
  'glue/qqp': {
    task: 'sequence-classification',
    options: { glue_task: 'qqp' },
    read: async (path, { warn }) => [...qqpExamples(await text(path), path, warn)].map((row) => ({ ...row })),
    beside: ({ eval_accuracy }) => besidePublished('qqp', { accuracy: percent(eval_accuracy) }),
  },
  squad: {
    task: 'question-answering',
    options: {},
    read: (path) => readRows(path),
    beside: ({ eval_f1, eval_exact_match }) =>
      besidePublished('squad1.1', { f1: eval_f1!, exact_match: eval_exact_match! }),
  },
  squad_v2: {
    task: 'question-answering',
    options: { version_2_with_negative: true },
    read: (path) => readRows(path),
    beside: ({ eval_f1, eval_exact }) =>
      besidePublished('squad2.0', { f1: eval_f1!, exact_match: eval_exact! }),
  },
  race: {
    task: 'multiple-choice',
    options: { choice_first: true },
    read: (path, { tokenizer }) => readRace(path, tokenizer),
    beside: ({ eval_accuracy }) => besidePublished('race', { all: percent(eval_accuracy) }),
  },
  swag: {
    task: 'multiple-choice',
    options: {},
    read: readSwag,
  },
  conll2003: {
    task: 'token-classification',
    options: {},
    read: readConll2003,
  },
  wikitext103: {
    task: 'causal-lm',
    measuredAs: 'wikitext103',
    options: {},
    read: async (path) => [{ text: await text(path) }],
    beside: ({ eval_adjusted_perplexity }) =>
      besidePublished('wikitext103', { adjusted_perplexity: eval_adjusted_perplexity! }),
  },
  lambada: {
    task: 'causal-lm',
    measuredAs: 'lambada',
    options: {},
    read: async (path) => [{ text: await text(path) }],
    beside: ({ eval_accuracy }) => besidePublished('lambada', { accuracy: percent(eval_accuracy) }),
  },
};
