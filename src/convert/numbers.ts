/** Numbers of one type as numbers of another, and matrices turned over; on bytes as they are stored. */
import { narrowBfloat16, narrowFloat16, widenBfloat16, widenFloat16 } from '../checkpoint/half-precision.js';
import type { FloatDtype } from '../checkpoint/megatron/model.js';

/** As a typed array of the stored bits. */
export const bitsOf = (bytes: Uint8Array, dtype: FloatDtype): Uint16Array | Float32Array => {
  const { buffer, byteOffset, byteLength } = bytes;
  return dtype === 'F32'
    ? new Float32Array(buffer as ArrayBuffer, byteOffset, byteLength / 4)
    : new Uint16Array(buffer as ArrayBuffer, byteOffset, byteLength / 2);
};

/** Rounded to the nearest, ties to even. @returns the same bytes where nothing changes */
export function castBytes(bytes: Uint8Array, from: FloatDtype, to: FloatDtype): Uint8Array {
  if (from === to) return bytes;
  const wide = from === 'F32' ? (bitsOf(bytes, 'F32') as Float32Array) : widened(bytes, from);
  const cast = to === 'F32' ? wide : to === 'F16' ? narrowFloat16(wide) : narrowBfloat16(wide);
  return new Uint8Array(cast.buffer, cast.byteOffset, cast.byteLength);
}

function widened(bytes: Uint8Array, from: 'F16' | 'BF16'): Float32Array {
  const values = new Float32Array(bytes.byteLength / 2);
  new Uint8Array(values.buffer).set(bytes, bytes.byteLength);
  (from === 'F16' ? widenFloat16 : widenBfloat16)(values);
  return values;
}

/** A stretch of rows and columns that fits the processor's cache. */
const blockSize = 64;

/** [rows, columns] → [columns, rows] */
export function transposed(
  bytes: Uint8Array,
  [rows, columns]: readonly number[],
  dtype: FloatDtype,
): Uint8Array {
  const from = bitsOf(bytes, dtype);
  const to = bitsOf(new Uint8Array(bytes.byteLength), dtype);
  for (let top = 0; top < rows!; top += blockSize)
    for (let left = 0; left < columns!; left += blockSize)
      for (let row = top; row < Math.min(top + blockSize, rows!); row++)
        for (let column = left; column < Math.min(left + blockSize, columns!); column++)
          to[column * rows! + row] = from[row * columns! + column]!;
  return new Uint8Array(to.buffer);
}
