/** Results of arXiv 1909.08053 (Megatron-LM), how its models were fine-tuned, and one's own results next to them. */
import { InputError } from '../../errors.js';
import { columns } from '../../plan/table.js';

const zeroShot = 'arXiv 1909.08053, table 3';
const fineTuned = 'arXiv 1909.08053, table 5';
const settings = 'arXiv 1909.08053, table 6';

/** What each benchmark measures, in the order of the results below. */
const benchmarks = {
  mnli: { name: 'MNLI, development sets, accuracy in per cent', metrics: ['matched', 'mismatched'] },
  qqp: { name: 'QQP, development set, accuracy in per cent', metrics: ['accuracy'] },
  'squad1.1': { name: 'SQuAD 1.1, development set, per cent', metrics: ['f1', 'exact_match'] },
  'squad2.0': { name: 'SQuAD 2.0, development set, per cent', metrics: ['f1', 'exact_match'] },
  race: { name: 'RACE, test set, accuracy in per cent', metrics: ['all', 'middle', 'high'] },
  wikitext103: {
    name: 'WikiText103, test set, perplexity of words (less is better)',
    metrics: ['adjusted_perplexity'],
  },
  lambada: { name: 'LAMBADA, test set, accuracy in per cent', metrics: ['accuracy'] },
} as const;

export type Benchmark = keyof typeof benchmarks;
export type Metric<Name extends Benchmark> = (typeof benchmarks)[Name]['metrics'][number];

export interface PublishedResult {
  readonly benchmark: Benchmark;
  /** With its parameters. */
  readonly model: string;
  /** Per cent, except for perplexities; by metric. */
  readonly result: Readonly<Record<string, number>>;
  readonly source: string;
}

const published = (
  benchmark: Benchmark,
  source: string,
  models: Readonly<Record<string, readonly number[]>>,
): PublishedResult[] =>
  Object.entries(models).map(([model, values]) => ({
    ...{ benchmark, model, source },
    result: Object.fromEntries(benchmarks[benchmark].metrics.map((metric, i) => [metric, values[i]!])),
  }));

/** Single models, medians of five seeds where they are fine-tuned. Megatron-LM's README quotes ensembles of five for some. */
export const publishedResults: readonly PublishedResult[] = [
  ...published('mnli', fineTuned, { '336M': [89.7, 90.0], '1.3B': [90.9, 91.0], '3.9B': [91.4, 91.4] }),
  ...published('qqp', fineTuned, { '336M': [92.3], '1.3B': [92.6], '3.9B': [92.7] }),
  ...published('squad1.1', fineTuned, { '336M': [94.2, 88.0], '1.3B': [94.9, 89.1], '3.9B': [95.5, 90.0] }),
  ...published('squad2.0', fineTuned, { '336M': [88.1, 84.8], '1.3B': [90.2, 87.1], '3.9B': [91.2, 88.5] }),
  ...published('race', fineTuned, {
    '336M': [83.0, 86.9, 81.5],
    '1.3B': [87.3, 90.4, 86.1],
    '3.9B': [89.5, 91.8, 88.6],
  }),
  ...published('wikitext103', zeroShot, { '355M': [19.31], '2.5B': [12.76], '8.3B': [10.81] }),
  ...published('lambada', zeroShot, { '355M': [45.18], '2.5B': [61.73], '8.3B': [66.51] }),
];

export interface PublishedFineTuning {
  readonly benchmark: Benchmark;
  readonly model: string;
  /** Examples a step. */
  readonly batchSize: number;
  /** The greatest. */
  readonly learningRate: number;
  readonly epochs: number;
  readonly source: string;
}

const tuning = (
  benchmark: Benchmark,
  epochs: number,
  models: Readonly<Record<string, readonly [batchSize: number, learningRate: number]>>,
): PublishedFineTuning[] =>
  Object.entries(models).map(([model, [batchSize, learningRate]]) => ({
    ...{ benchmark, model, batchSize, learningRate, epochs },
    source: settings,
  }));

export const publishedFineTuning: readonly PublishedFineTuning[] = [
  ...tuning('mnli', 10, { '336M': [128, 1e-5], '1.3B': [128, 1e-5], '3.9B': [128, 1e-5] }),
  ...tuning('qqp', 12, { '336M': [128, 5e-5], '1.3B': [128, 3e-5], '3.9B': [256, 4e-5] }),
  ...tuning('squad1.1', 2, { '336M': [64, 3e-5], '1.3B': [48, 3e-5], '3.9B': [48, 1e-5] }),
  ...tuning('squad2.0', 2, { '336M': [48, 3e-5], '1.3B': [64, 3e-5], '3.9B': [48, 1e-5] }),
  ...tuning('race', 3, { '336M': [32, 2e-5], '1.3B': [16, 1e-5], '3.9B': [32, 2e-5] }),
];

/**
 * A table of a result and the published ones.
 *
 * @param result per cent, except for perplexities; metrics that were not computed are left out
 * @throws InputError for no metric of the benchmark, or for another's
 */
export function besidePublished<Name extends Benchmark>(
  benchmark: Name,
  result: Readonly<Partial<Record<Metric<Name>, number>>>,
): string {
  const { name, metrics }: { name: string; metrics: readonly string[] } = benchmarks[benchmark];
  const found = result as Readonly<Record<string, number>>;
  const given = Object.keys(found);
  const unknown = given.find((metric) => !metrics.includes(metric));
  if (unknown !== undefined || given.length === 0)
    throw new InputError(
      `result of ${benchmark}: expected ${metrics.join(', ')}, found ${unknown ?? 'nothing'}`,
    );
  const digits = benchmark === 'wikitext103' || benchmark === 'lambada' ? 2 : 1;
  const cells = (values: Readonly<Record<string, number>>) =>
    metrics.map((metric) => values[metric]?.toFixed(digits) ?? '–');
  const rows = publishedResults.filter((row) => row.benchmark === benchmark);
  return [
    `${name}; published: ${rows[0]!.source}`,
    ...columns([
      ['model', ...metrics.map((metric) => metric.replaceAll('_', ' '))],
      ['this one', ...cells(found)],
      ...rows.map(({ model, result: values }) => [`Megatron ${model}`, ...cells(values)]),
    ]),
  ].join('\n');
}
