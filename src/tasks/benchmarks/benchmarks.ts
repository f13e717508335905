/** Megatron-LM's evaluations by name: what they read, and the task that measures it. */
import { readFile } from 'node:fs/promises';
import { InputError, shown } from '../../errors.js';
import type { AnyTokenizer } from '../../text/tokenizer-json.js';
import type { Row } from '../data/row.js';
import { readRows } from '../data/rows.js';
import type { TaskOrBenchmark, TaskRunOptions } from '../finetune-options.js';
import type { TaskOptions } from '../task.js';
import type { MeasuredTask, TaskName } from '../tasks.js';
import { readConll2003 } from './conll2003.js';
import { mnliExamples, mnliLabels } from './mnli.js';
import { besidePublished, type Benchmark, type Metric } from './published.js';
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
  /** What the paper calls it, where it has results. */
  readonly published?: Benchmark;
  /** The result beside those of the paper, where both are there. @param of the metrics by their names */
  readonly beside?: (metrics: Metrics) => string | undefined;
}

type Metrics = Readonly<Record<string, number>>;

const text = (path: string) => readFile(path, 'utf8');

const percent = (metric: number | undefined) => (metric === undefined ? undefined : 100 * metric);

const published = <Name extends Benchmark>(
  name: Name,
  resultOf: (metrics: Metrics) => Readonly<Partial<Record<Metric<Name>, number | undefined>>>,
): Pick<BenchmarkDefinition, 'published' | 'beside'> => ({
  published: name,
  beside(metrics) {
    const found = Object.entries(resultOf(metrics)).filter(([, value]) => value !== undefined);
    if (found.length === 0) return undefined;
    return besidePublished(name, Object.fromEntries(found) as Partial<Record<Metric<Name>, number>>);
  },
});

export const benchmarks: Readonly<Record<BenchmarkName, BenchmarkDefinition>> = {
  'glue/mnli': {
    task: 'sequence-classification',
    options: { glue_task: 'mnli' },
    read: async (path) =>
      mnliExamples(await text(path), path).map(({ label, ...row }) => ({
        ...row,
        label: label === null ? null : mnliLabels[label],
      })),
    ...published('mnli', ({ eval_accuracy, eval_mm_accuracy }) => ({
      matched: percent(eval_accuracy),
      mismatched: percent(eval_mm_accuracy),
    })),
  },
  'glue/qqp': {
    task: 'sequence-classification',
    options: { glue_task: 'qqp' },
    read: async (path, { warn }) => [...qqpExamples(await text(path), path, warn)].map((row) => ({ ...row })),
    ...published('qqp', ({ eval_accuracy }) => ({ accuracy: percent(eval_accuracy) })),
  },
  squad: {
    task: 'question-answering',
    options: {},
    read: (path) => readRows(path),
    ...published('squad1.1', ({ eval_f1, eval_exact_match }) => ({
      f1: eval_f1,
      exact_match: eval_exact_match,
    })),
  },
  squad_v2: {
    task: 'question-answering',
    options: { version_2_with_negative: true },
    read: (path) => readRows(path),
    ...published('squad2.0', ({ eval_f1, eval_exact }) => ({ f1: eval_f1, exact_match: eval_exact })),
  },
  race: {
    task: 'multiple-choice',
    options: { choice_first: true },
    read: (path, { tokenizer }) => readRace(path, tokenizer),
    ...published('race', ({ eval_accuracy }) => ({ all: percent(eval_accuracy) })),
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
    ...published('wikitext103', ({ eval_adjusted_perplexity }) => ({
      adjusted_perplexity: eval_adjusted_perplexity,
    })),
  },
  lambada: {
    task: 'causal-lm',
    measuredAs: 'lambada',
    options: {},
    read: async (path) => [{ text: await text(path) }],
    ...published('lambada', ({ eval_accuracy }) => ({ accuracy: percent(eval_accuracy) })),
  },
};

/** Those that models are fine-tuned for; others are evaluated as they are. */
export const tunedBenchmarks = benchmarkNames.filter((name) => benchmarks[name].measuredAs === undefined);

/**
 * Options with the task that follows from a benchmark, where one is given, and how it prepares texts.
 *
 * @throws InputError for no benchmark's name, or another task than its
 */
export function optionsOf<Options extends TaskRunOptions>(given: TaskOrBenchmark<Options>): Options {
  const { benchmark } = given;
  if (benchmark === undefined) return given as Options;
  if (!benchmarkNames.includes(benchmark))
    throw new InputError(`benchmark: expected ${benchmarkNames.join(', ')}, found ${shown(benchmark)}`);
  const { task, options } = benchmarks[benchmark];
  const { task: asked = task } = given as Partial<Options>;
  if (asked !== task)
    throw new InputError(`task: expected ${task}, as ${benchmark} is, or none, found ${shown(asked)}`);
  return { ...options, ...given, task } as unknown as Options;
}
