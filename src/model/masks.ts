import { cast, iota, less, multiply, reshape, select, subtract } from '../graph/functions.js';
import type { Dimension } from '../graph/dimension.js';
import type { Value } from '../graph/value.js';

/** torch.finfo(torch.float32).min */
const smallestFloat32 = -3.4028234663852886e38;

/** What is added to attention scores: 0 where a mask is 1, the smallest number where it is 0. */
const toAdditive = (mask: Value) => multiply(subtract(1, mask), smallestFloat32);

/** int32 [batch, keys] or [batch, queries, keys] of ones and zeros → float [batch, 1, 1 or queries, keys] */
function perHead(mask: Value): Value {
  const [batch, ...rest] = mask.shape as [Dimension, ...Dimension[]];
  return reshape(cast(mask, 'float32'), rest.length === 1 ? [batch, 1, 1, rest[0]!] : [batch, 1, ...rest]);
}

/** Every query sees the keys that the mask shows. */
export const additiveMask = (mask: Value): Value => toAdditive(perHead(mask));

/** int32 [length, length]: each query's position less each key's */
export const positionDistances = (length: number): Value =>
  subtract(reshape(iota(length), [length, 1]), iota(length));

/** Every query of a text sees itself and the keys before it → float [1, 1, length, length] */
export function triangularMask(length: number): Value {
  const [queries, keys] = [reshape(iota(length), [length, 1]), iota(length)];
  return reshape(select(less(queries, keys), smallestFloat32, 0), [1, 1, length, length]);
}

/**
 * Besides, none sees a key after it. A mask that has queries is taken to know that itself.
 *
 * @param distances int32 [queries, keys]: the query's position less the key's
 */
export function causalMask(mask: Value, distances: Value): Value {
  if (mask.shape.length > 2) return additiveMask(mask);
  return toAdditive(select(less(distances, 0), 0, perHead(mask)));
}
