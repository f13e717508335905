import { dropoutMask, multiply } from '../graph/functions.js';
import type { Dimension } from '../graph/dimension.js';
import { knownShape, type Group, type Value } from '../graph/value.js';

/** This rank's place among those that hold the parts of a model's matrices. */
export interface TensorParallel extends Group {
  readonly rank: number;
  /**
   * Sequence parallelism (arXiv 2205.05198, section 4.2.2): between the split matrices each rank has some of the rows
   * [batch · sequence, hidden] only, as equal parts, and computes layer norms, dropout and sums for these.
   */
  readonly sharesRows?: boolean;
}

export const singleRank: TensorParallel = { group: 'tensor', size: 1, rank: 0 };

/** What building a model's graph depends on besides its configuration and parameters. */
export interface Run {
  readonly batchSize: Dimension;
  readonly sequenceLength: Dimension;
  readonly tensor: TensorParallel;
  /** Hidden states or attentions are wanted, of all positions in the last layer too. */
  readonly everyPosition?: boolean;
  /** int32[2], drawn anew for each forward pass; without it nothing is dropped. */
  readonly dropoutKey?: Value;
}

/** The axis along which a rank has a part of what is between the split matrices. */
export const rowsAxis = ({ tensor }: Run) => (tensor.sharesRows ? 0 : undefined);

/**
 * Zeroes elements with probability `rate` and scales up the others.
 *
 * @param site tells the dropouts of one block apart
 * @param partitioned the axis along which x is this rank's part of a larger tensor
 */
export function dropout(x: Value, rate: number, site: string, run: Run, partitioned?: number): Value {
  if (!run.dropoutKey || rate === 0) return x;
  const { size, rank } = partitioned === undefined ? { size: 1, rank: 0 } : run.tensor;
  const axis = partitioned ?? 0;
  const shape = knownShape(x.shape);
  const unpartitionedShape = shape.with(axis, shape[axis]! * size);
  return multiply(
    x,
    dropoutMask(run.dropoutKey, { rate, site, unpartitionedShape, axis, parts: size, index: rank }),
  );
}
