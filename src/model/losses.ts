import {
  add,
  broadcast,
  cast,
  divide,
  equal,
  exp,
  log,
  maximum,
  multiply,
  negate,
  reshape,
  select,
  slice,
  subtract,
  sum,
} from '../graph/functions.js';
import { knownSize } from '../graph/dimension.js';
import type { Value } from '../graph/value.js';
import { singleRank, type TensorParallel } from './run.js';
import { vocabParallelCrossEntropy } from './tensor-parallel.js';

/** Labels that nothing is predicted for. */
export const ignoredLabel = -100;

export interface LabelledLoss {
  /** Mean over the labelled rows; NaN, as PyTorch's, where there is none. */
  readonly loss: Value;
  /** The sum over them. */
  readonly total: Value;
  /** How many rows are labelled, and for how many the label is the first choice. */
  readonly count: Value;
  readonly correct: Value;
}

/** How a loss differs from plain cross entropy. */
export interface LossOptions {
  /** ε: a label counts 1 - ε, and all classes share ε (arXiv 1512.00567, section 7); 0 by default. */
  readonly smoothing?: number;
  /** [rows]: how much each counts in the mean, as `weight` in torch.nn.CrossEntropyLoss; 1 by default. */
  readonly weights?: Value;
}

/** Cross entropy: logits [rows, classes / ranks], labels int32 [rows] → scalars, over the rows whose label is not ignored. */
export function labelledLoss(
  logits: Value,
  labels: Value,
  tensor: TensorParallel = singleRank,
  { smoothing = 0, weights }: LossOptions = {},
): LabelledLoss {
  const { loss, margin } = vocabParallelCrossEntropy(logits, labels, tensor, smoothing);
  const isIgnored = equal(labels, ignoredLabel);
  const overLabelled = (x: Value | number) => reshape(sum(select(isIgnored, 0, x), [0]), []);
  const count = overLabelled(1);
  const total = overLabelled(weights ? multiply(weights, loss) : loss);
  return {
    loss: divide(total, weights ? overLabelled(weights) : count),
    total,
    count,
    correct: overLabelled(cast(equal(margin, 0), 'float32')),
  };
}

/** Logits that are computed at once: more of them take more memory, and no less time. */
const mostLogits = 2 ** 24;

/**
 * The same without all rows' logits in memory: some rows are scored at a time.
 *
 * @param rows [rows, hidden]
 * @param score some of the rows → their logits [some, classes / ranks]
 * @param width classes / ranks
 */
export function labelledLossByRows(
  rows: Value,
  score: (rows: Value) => Value,
  width: number,
  labels: Value,
  tensor: TensorParallel,
  options?: Pick<LossOptions, 'smoothing'>,
): LabelledLoss {
  const size = knownSize(rows.shape[0]!);
  const step = Math.max(1, Math.floor(mostLogits / width));
  if (size <= step) return labelledLoss(score(rows), labels, tensor, options);
  const parts = Array.from({ length: Math.ceil(size / step) }, (_, i) => {
    const some = (x: Value) => slice(x, 0, i * step, Math.min(size, (i + 1) * step));
    return labelledLoss(score(some(rows)), some(labels), tensor, options);
  });
  const overParts = (name: 'total' | 'count' | 'correct') => parts.map((part) => part[name]).reduce(add);
  const [total, count, correct] = [overParts('total'), overParts('count'), overParts('correct')];
  return { loss: divide(total, count), total, count, correct };
}

/** (x − y)² */
export function squaredError(x: Value, y: Value): Value {
  const error = subtract(x, y);
  return multiply(error, error);
}

/** −y·log σ(x) − (1 − y)·log(1 − σ(x)), of one shape (torch.nn.BCEWithLogitsLoss) */
export function binaryCrossEntropy(logits: Value, targets: Value): Value {
  const magnitude = maximum(logits, negate(logits));
  const ofMagnitude = log(add(1, exp(negate(magnitude))));
  return add(subtract(maximum(logits, 0), multiply(logits, targets)), ofMagnitude);
}

/** @param weights of one shape, or 1 → scalar Σ weight · x / Σ weight */
export function weightedMean(x: Value, weights: Value | number = 1): Value {
  const all = broadcast(weights, x.shape);
  const total = (values: Value) => reshape(sum(values, [...values.shape.keys()]), []);
  return divide(total(multiply(all, x)), total(all));
}
