/** The paper's section 3 and Megatron-LM's `mpu`: matrices split over ranks, and the two conjugate operators f and g. */
import {
  add,
  allGather,
  allReduce,
  concat,
  copyToParallel,
  divide,
  equal,
  exp,
  gather,
  log,
  matmul,
  max,
  multiply,
  oneHot,
  reduceScatter,
  reshape,
  select,
  slice,
  stopGradient,
  subtract,
  sum,
} from '../graph/functions.js';
import { knownSize, type Dimension } from '../graph/dimension.js';
import type { Value } from '../graph/value.js';
import type { TensorParallel } from './run.js';

/** f: identity forward, all-reduce backward. */
export const copyToTensorParallel = (x: Value, tensor: TensorParallel) => copyToParallel(x, tensor);
/** g: all-reduce forward, identity backward. */
export const reduceFromTensorParallel = (x: Value, tensor: TensorParallel) => allReduce(x, tensor);

/** f before a layer's split matrices; where ranks share the rows, g̅: all-gather forward, reduce-scatter backward. */
export const enterTensorParallel = (x: Value, tensor: TensorParallel) =>
  tensor.sharesRows ? allGather(x, tensor, 0) : copyToTensorParallel(x, tensor);
/** g after them; where ranks share the rows, its transpose. */
export const leaveTensorParallel = (x: Value, tensor: TensorParallel) =>
  tensor.sharesRows ? reduceScatter(x, tensor, 0) : reduceFromTensorParallel(x, tensor);

/** A parameter that each rank applies to its rows: its gradient is the sum of what comes of them. */
export const appliedToRows = (parameter: Value, tensor: TensorParallel) =>
  tensor.sharesRows ? copyToTensorParallel(parameter, tensor) : parameter;

/** This rank's rows of what all ranks have computed. */
export function takeOwnRows(x: Value, tensor: TensorParallel): Value {
  if (!tensor.sharesRows) return x;
  const count = knownSize(x.shape[0]!) / tensor.size;
  return slice(copyToTensorParallel(x, tensor), 0, tensor.rank * count, (tensor.rank + 1) * count);
}

/** Of what all ranks have, the part along an axis that this rank works on: of heads, its own. */
export function takeOwnPart(x: Value, axis: number, { size, rank }: TensorParallel): Value {
  if (size === 1) return x;
  const count = knownSize(x.shape[axis]!) / size;
  return slice(x, axis, rank * count, (rank + 1) * count);
}

/** All rows, for what every rank computes alike: then each has the whole gradient of its own rows already. */
export function gatherRows(own: Value, tensor: TensorParallel): Value {
  if (!tensor.sharesRows) return own;
  const all = stopGradient(allGather(own, tensor, 0));
  const [count, total] = [own, all].map(({ shape }) => knownSize(shape[0]!)) as [number, number];
  const start = tensor.rank * count;
  const others = (from: number, to: number) => (from < to ? [slice(all, 0, from, to)] : []);
  return concat([...others(0, start), own, ...others(start + count, total)], 0);
}

export interface LinearValues {
  /** [out, in], or of a Conv1D [in, out] */
  readonly weight: Value;
  readonly bias: Value;
  readonly isConv1D?: boolean;
  /** What is added to the product; see lora.ts. */
  readonly lora?: (x: Value) => Value;
}

/** x [rows, in] · weightᵀ → [rows, out] */
function product(x: Value, { weight, isConv1D = false, lora }: LinearValues): Value {
  const y = matmul(x, weight, { transposeB: !isConv1D });
  return lora ? add(y, lora(x)) : y;
}

/** x · weightᵀ + bias. On a column-parallel weight it gives this rank's columns. */
export function linear(x: Value, values: LinearValues): Value {
  return add(product(x, values), values.bias);
}

/** x is this rank's columns of the input; the bias, which every rank holds, is added once, after g. */
export function rowParallelLinear(x: Value, values: LinearValues, tensor: TensorParallel): Value {
  return add(leaveTensorParallel(product(x, values), tensor), appliedToRows(values.bias, tensor));
}

/** Where this rank's part of the vocabulary starts. */
const vocabularyStart = (part: Dimension, { rank }: TensorParallel) =>
  rank === 0 ? 0 : rank * knownSize(part);

/** table: this rank's rows; ids [...] → [..., width]. An id of another rank's rows gives zeros here. */
export function vocabParallelEmbedding(ids: Value, table: Value, tensor: TensorParallel): Value {
  const own = tensor.size === 1 ? ids : subtract(ids, vocabularyStart(table.shape[0]!, tensor));
  return reduceFromTensorParallel(gather(table, own), tensor);
}

export interface CrossEntropy {
  /** −log p(label) of each row; log Σ exp for a label outside the vocabulary. */
  readonly loss: Value;
  /** The label's logit less the greatest logit: 0 where the label is the model's first choice. */
  readonly margin: Value;
}

/**
 * logits [rows, vocabulary / ranks], labels [rows] numbered in the whole vocabulary → [rows]
 *
 * @param smoothing ε of label smoothing
 */
export function vocabParallelCrossEntropy(
  logits: Value,
  labels: Value,
  tensor: TensorParallel,
  smoothing = 0,
): CrossEntropy {
  const [rows, part] = logits.shape as [Dimension, Dimension];
  const greatest = allReduce(max(stopGradient(logits), [-1]), tensor, 'max');
  const shifted = subtract(logits, greatest);
  const total = allReduce(sum(exp(shifted), [-1]), tensor);
  const own = oneHot(subtract(labels, vocabularyStart(part, tensor)), part);
  const margin = allReduce(sum(multiply(own, shifted), [-1]), tensor);
  const expected = smoothing === 0 ? margin : smoothed(margin);
  return { loss: reshape(subtract(log(total), expected), [rows]), margin: reshape(margin, [rows]) };

  /** (1 - ε) times the label's, and ε times the mean of all. */
  function smoothed(ofLabel: Value): Value {
    const classes = knownSize(part) * tensor.size;
    const ofAll = allReduce(sum(shifted, [-1]), tensor);
    return add(multiply(1 - smoothing, ofLabel), multiply(smoothing / classes, ofAll));
  }
}

export interface FirstChoice {
  /** Where two are equally likely, the greater. */
  readonly id: Value;
  readonly probability: Value;
}

/** What is likeliest in each row: logits [rows, vocabulary / ranks], ids [vocabulary / ranks] of this rank's columns → [rows] */
export function vocabParallelFirstChoice(logits: Value, ids: Value, tensor: TensorParallel): FirstChoice {
  const rows = logits.shape[0]!;
  const greatest = allReduce(max(logits, [-1]), tensor, 'max');
  const total = allReduce(sum(exp(subtract(logits, greatest)), [-1]), tensor);
  const id = allReduce(max(select(equal(logits, greatest), ids, -1), [-1]), tensor, 'max');
  return { id: reshape(id, [rows]), probability: reshape(divide(1, total), [rows]) };
}
