/** What was measured, in the order in which people look at it. */
import type { LoggedNumbers } from '../../train/fine-tuning/state.js';
import type { ChartPoint } from '../../train/line-chart.js';
import type { ClassScores, Predictions } from '../task.js';

export type Confusion = NonNullable<Predictions['confusion']>;

/** Evaluations during a run. */
export interface EvaluationTable {
  /** Names without `eval_`, the loss first. */
  readonly metrics: readonly string[];
  readonly rows: readonly {
    readonly step: number;
    readonly epoch: number;
    /** The last that was logged before. */
    readonly trainingLoss: number | undefined;
    readonly values: readonly (number | undefined)[];
  }[];
}

const isEvaluated = (key: string) => key.startsWith('eval_') || key === 'perplexity';

/** A metric's name, whichever evaluation it is of. */
export const metricName = (key: string, prefix = 'eval') =>
  key.startsWith(`${prefix}_`) ? key.slice(prefix.length + 1) : key;

export function evaluationTable(history: readonly LoggedNumbers[]): EvaluationTable {
  const evaluated = history.filter((entry) => Object.keys(entry).some(isEvaluated));
  const keys = [...new Set(evaluated.flatMap((entry) => Object.keys(entry).filter(isEvaluated)))];
  const ordered = [
    ...keys.filter((key) => key === 'eval_loss'),
    ...keys.filter((key) => key !== 'eval_loss'),
  ];
  let trainingLoss: number | undefined;
  const rows = history.flatMap((entry) => {
    if (entry.loss !== undefined) trainingLoss = entry.loss;
    if (!evaluated.includes(entry)) return [];
    const values = ordered.map((key) => entry[key]);
    return [{ step: entry.step ?? 0, epoch: entry.epoch ?? 0, trainingLoss, values }];
  });
  return { metrics: ordered.map((key) => metricName(key)), rows };
}

/** A number of the log over the steps. */
export const pointsOf = (history: readonly LoggedNumbers[], key: string): ChartPoint[] =>
  history.flatMap((entry) =>
    entry[key] === undefined || entry.step === undefined ? [] : [[entry.step, entry[key]] as const],
  );

/** The metric to draw besides the loss, as it is called in the log. */
export function drawnMetric(history: readonly LoggedNumbers[], main: string): string | undefined {
  const { metrics } = evaluationTable(history);
  const others = metrics.filter((name) => name !== 'loss');
  const name = others.includes(main) ? main : others[0];
  return name === undefined ? undefined : name === 'perplexity' ? name : `eval_${name}`;
}

/** Of each class by itself; what cannot be told, as nothing was there, is 0, as scikit-learn has it. */
export function classScores({ labels, counts }: Confusion): ClassScores[] {
  const predicted = labels.map((_, j) => sum(counts.map((row) => row[j] ?? 0)));
  return labels.map((label, i) => {
    const right = counts[i]?.[i] ?? 0;
    const support = sum(counts[i] ?? []);
    const share = (of: number) => (of === 0 ? 0 : right / of);
    const both = support + predicted[i]!;
    return {
      ...{ label, support, precision: share(predicted[i]!), recall: share(support) },
      f1: both === 0 ? 0 : (2 * right) / both,
    };
  });
}

/** Means over classes that there are examples of. */
export function meanScores(scores: readonly ClassScores[]): Omit<ClassScores, 'label'> {
  const there = scores.filter(({ support }) => support > 0);
  const mean = (of: 'precision' | 'recall' | 'f1') =>
    there.length === 0 ? 0 : sum(there.map((one) => one[of])) / there.length;
  return {
    ...{ precision: mean('precision'), recall: mean('recall'), f1: mean('f1') },
    support: sum(scores.map(({ support }) => support)),
  };
}

/** The labels that are taken for others, and others for them, most often; in their order. */
export function mostConfused({ labels, counts }: Confusion, most: number): readonly number[] {
  const all = [...labels.keys()];
  if (labels.length <= most) return all;
  const wrong = all.map((i) => {
    const right = counts[i]?.[i] ?? 0;
    return sum(counts[i] ?? []) + sum(counts.map((row) => row[i] ?? 0)) - 2 * right;
  });
  return [...all]
    .sort((a, b) => wrong[b]! - wrong[a]!)
    .slice(0, most)
    .sort((a, b) => a - b);
}

export const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** For tables: whole numbers as they are, others with four digits behind the point. */
export function shownNumber(value: number | undefined): string {
  if (value === undefined) return '–';
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value)) return value.toLocaleString('en');
  if (Math.abs(value) >= 1000) return value.toLocaleString('en', { maximumFractionDigits: 1 });
  return Math.abs(value) < 1e-4 ? value.toExponential(2) : value.toFixed(4);
}
