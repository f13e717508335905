import { describe, expect, it } from 'vitest';
import { widenBfloat16, widenFloat16 } from './half-precision.js';

function widened(widen: (values: Float32Array) => void, halves: readonly number[]): Float32Array {
  const values = new Float32Array(halves.length);
  new Uint16Array(values.buffer, 2 * halves.length).set(halves);
  widen(values);
  return values;
}

/** IEEE 754's definition, written as arithmetic. */
function meaningOfFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

describe('widening 16-bit floating-point numbers', () => {
  it('gives every binary16 number its value', () => {
    const all = Array.from({ length: 2 ** 16 }, (_, bits) => bits);
    expect(widened(widenFloat16, all)).toEqual(Float32Array.from(all, meaningOfFloat16));
  });

  it('takes bfloat16 numbers as the upper halves of binary32', () => {
    const values = widened(widenBfloat16, [0x3f80, 0xc040, 0x0001, 0xff80, 0x8000]);
    expect(values).toEqual(Float32Array.of(1, -3, 2 ** -133, -Infinity, -0));
  });

  it('widens nothing at all', () => {
    expect(widened(widenFloat16, [])).toHaveLength(0);
  });
});
