/** How well classes are predicted, as scikit-learn counts it. A class is an integer from 0. */
import { InputError, shown } from '../../errors.js';
import { requirePairs } from './paired.js';

/** F1 of class 1 of two, or of all classes: their mean, of all counted together, their mean by frequency. */
export type Average = 'binary' | 'macro' | 'micro' | 'weighted';

/**
 * The share of predictions [n] that equal their references [n], from 0 to 1.
 *
 * @throws InputError when lengths differ, nothing is given, or a class is no integer from 0
 */
export function accuracy(predictions: ArrayLike<number>, references: ArrayLike<number>): number {
  const counts = [...countByClass(predictions, references).values()];
  return sum(counts.map(({ correct }) => correct)) / references.length;
}

/**
 * F1 = 2 TP / (2 TP + FP + FN), from 0 to 1, of predictions [n] and references [n]. A class that is neither predicted
 * nor true has F1 0, as in scikit-learn's `f1_score`, but does not take part in an average.
 *
 * @throws InputError when lengths differ, nothing is given, or a class is no integer from 0 (binary: not 0 or 1)
 */
export function f1(
  predictions: ArrayLike<number>,
  references: ArrayLike<number>,
  average: Average = 'binary',
): number {
  if (average === 'binary') return binaryF1(predictions, references);
  // each false positive is another class's false negative
  if (average === 'micro') return accuracy(predictions, references);
  const counts = [...countByClass(predictions, references).values()];
  return average === 'macro'
    ? sum(counts.map(f1OfClass)) / counts.length
    : sum(counts.map((count) => count.actual * f1OfClass(count))) / references.length;
}

/**
 * Correlation of predictions [n] and references [n], from -1 to 1 (Gorodkin's R_K; with two classes Matthews'), as
 * scikit-learn's `matthews_corrcoef`: 0 where either are all of one class.
 *
 * @throws InputError when lengths differ, nothing is given, or a class is no integer from 0
 */
export function matthewsCorrelation(predictions: ArrayLike<number>, references: ArrayLike<number>): number {
  const counts = [...countByClass(predictions, references).values()];
  const n = references.length;
  const correct = sum(counts.map((count) => count.correct));
  const covariance = correct * n - sum(counts.map(({ predicted, actual }) => predicted * actual));
  const variances =
    (n ** 2 - sum(counts.map(({ predicted }) => predicted ** 2))) *
    (n ** 2 - sum(counts.map(({ actual }) => actual ** 2)));
  return variances === 0 ? 0 : covariance / Math.sqrt(variances);
}

/**
 * Counts [classes, classes]: `matrix[reference][prediction]`.
 *
 * @throws InputError when lengths differ, nothing is given, or a class is not from 0 to `classes` - 1
 */
export function confusionMatrix(
  predictions: ArrayLike<number>,
  references: ArrayLike<number>,
  classes: number,
): number[][] {
  requirePairs(predictions, references);
  requireClasses(predictions, 'predictions', classes);
  requireClasses(references, 'references', classes);
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (let i = 0; i < references.length; i++) matrix[references[i]!]![predictions[i]!]!++;
  return matrix;
}

interface ClassCount {
  correct: number;
  predicted: number;
  actual: number;
}

/** Of the classes that are predicted or true. */
function countByClass(
  predictions: ArrayLike<number>,
  references: ArrayLike<number>,
): Map<number, ClassCount> {
  requirePairs(predictions, references);
  requireClasses(predictions, 'predictions');
  requireClasses(references, 'references');
  const counts = new Map<number, ClassCount>();
  const countOf = (label: number) => {
    if (!counts.has(label)) counts.set(label, { correct: 0, predicted: 0, actual: 0 });
    return counts.get(label)!;
  };
  for (let i = 0; i < references.length; i++) {
    countOf(predictions[i]!).predicted++;
    countOf(references[i]!).actual++;
    if (predictions[i] === references[i]) countOf(references[i]!).correct++;
  }
  return counts;
}

function binaryF1(predictions: ArrayLike<number>, references: ArrayLike<number>): number {
  const [negative, positive] = confusionMatrix(predictions, references, 2) as [number[], number[]];
  const found = negative[1]! + positive[1]!;
  const actual = positive[0]! + positive[1]!;
  return found + actual === 0 ? 0 : (2 * positive[1]!) / (found + actual);
}

const f1OfClass = ({ correct, predicted, actual }: ClassCount) => (2 * correct) / (predicted + actual);

function requireClasses(values: ArrayLike<number>, name: string, classes = Infinity): void {
  for (let i = 0; i < values.length; i++)
    if (!Number.isInteger(values[i]) || values[i]! < 0 || values[i]! >= classes)
      throw new InputError(
        `${name}[${i}]: expected a class ${classes === Infinity ? '(an integer from 0)' : `from 0 to ${classes - 1}`}, found ${shown(values[i])}`,
      );
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, x) => total + x, 0);
