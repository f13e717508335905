import { widenBfloat16, widenFloat16 } from '../checkpoint/half-precision.js';
import type { FloatWeight } from '../engine/engine.js';

/** @param bytes numbers of that type */
export function widened(bytes: Uint8Array, type: FloatWeight['type']): Float32Array {
  if (type === 'float32') return new Float32Array(bytes.slice().buffer);
  const values = new Float32Array(bytes.byteLength / 2);
  new Uint8Array(values.buffer).set(bytes, bytes.byteLength);
  widenInPlace(values, type);
  return values;
}

/** @param values 16-bit numbers in the second half of its bytes */
export function widenInPlace(values: Float32Array, type: FloatWeight['type']): void {
  if (type === 'float16') widenFloat16(values);
  if (type === 'bfloat16') widenBfloat16(values);
}
