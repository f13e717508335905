/** How close predicted numbers are to the true ones, as SciPy and scikit-learn count it. */
import { InputError } from '../../errors.js';
import { requirePairs } from './paired.js';

/**
 * Pearson's correlation of predictions [n] and references [n], from -1 to 1, as SciPy's `pearsonr`: NaN where either
 * are all equal, or any is NaN or infinite.
 *
 * @throws InputError when lengths differ or fewer than two are given
 */
export function pearson(predictions: ArrayLike<number>, references: ArrayLike<number>): number {
  requirePairs(predictions, references);
  if (references.length === 1)
    throw new InputError('references: expected at least two to correlate, found 1');
  if (isConstant(predictions) || isConstant(references)) return NaN;
  const x = unitDeviations(predictions);
  const y = unitDeviations(references);
  const correlation = sum(x.map((deviation, i) => deviation * y[i]!));
  return Math.min(1, Math.max(-1, correlation));
}

/**
 * Spearman's correlation of predictions [n] and references [n], from -1 to 1: Pearson's of their ranks, where equal ones
 * share the mean of theirs. As SciPy's `spearmanr`: NaN for one pair, where either are all equal, or any is NaN.
 *
 * @throws InputError when lengths differ or nothing is given
 */
export function spearman(predictions: ArrayLike<number>, references: ArrayLike<number>): number {
  requirePairs(predictions, references);
  if (references.length === 1 || hasNaN(predictions) || hasNaN(references)) return NaN;
  return pearson(meanRanks(predictions), meanRanks(references));
}

/**
 * The mean of (prediction - reference)² over predictions [n] and references [n].
 *
 * @throws InputError when lengths differ or nothing is given
 */
export function meanSquaredError(predictions: ArrayLike<number>, references: ArrayLike<number>): number {
  requirePairs(predictions, references);
  return mean(Array.from(predictions, (prediction, i) => (prediction - references[i]!) ** 2));
}

/** Deviations from the mean, of norm 1; scaled first, so that no square overflows. */
function unitDeviations(values: ArrayLike<number>): number[] {
  const center = mean(Array.from(values));
  const deviations = Array.from(values, (value) => value - center);
  const largest = deviations.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const norm = largest * Math.sqrt(sum(deviations.map((x) => (x / largest) ** 2)));
  return deviations.map((x) => x / norm);
}

/** Ranks from 1, of no NaN. */
function meanRanks(values: ArrayLike<number>): number[] {
  const sorted = Float64Array.from(values).sort();
  const ranks = new Map<number, number>();
  for (let start = 0, end = 0; start < sorted.length; start = end) {
    while (sorted[end] === sorted[start]) end++;
    // of ranks start + 1 … end
    ranks.set(sorted[start]!, (start + 1 + end) / 2);
  }
  return Array.from(values, (value) => ranks.get(value)!);
}

const isConstant = (values: ArrayLike<number>) => Array.from(values).every((value) => value === values[0]);
const hasNaN = (values: ArrayLike<number>) => Array.from(values).some(Number.isNaN);
const sum = (numbers: readonly number[]) => numbers.reduce((total, x) => total + x, 0);
const mean = (numbers: readonly number[]) => sum(numbers) / numbers.length;
