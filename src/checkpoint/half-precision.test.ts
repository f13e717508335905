import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { narrowBfloat16, narrowFloat16, widenBfloat16, widenFloat16 } from './half-precision.js';

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

describe('narrowing to 16-bit floating-point numbers', () => {
  const meaningOfBfloat16 = (bits: number) => new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!;

  it.each([
    ['binary16', narrowFloat16, meaningOfFloat16, 0x7c00],
    ['bfloat16', narrowBfloat16, meaningOfBfloat16, 0x7f80],
  ] as const)('gives every %s number itself', (_, narrow, meaning, infinity) => {
    const all = Array.from({ length: 2 ** 16 }, (_unused, bits) => bits);
    const numbers = all.filter((bits) => (bits & 0x7fff) <= infinity);
    expect([...narrow(Float32Array.from(numbers, meaning))]).toEqual(numbers);
    expect(meaning(narrow(Float32Array.of(NaN))[0]!)).toBeNaN();
  });

  it.each([
    ['binary16', narrowFloat16, meaningOfFloat16, 65504],
    ['bfloat16', narrowBfloat16, meaningOfBfloat16, 3.3895e38],
  ] as const)('gives the nearest %s number, and of two the even one', (_, narrow, meaning, largest) => {
    const within = (limit: number) =>
      fc.float({ noNaN: true, min: Math.fround(-limit), max: Math.fround(limit) });
    const number = fc.oneof(within(largest), within(1e-4));
    fc.assert(
      fc.property(number, (value) => {
        const bits = narrow(Float32Array.of(value))[0]!;
        const found = Math.abs(meaning(bits) - value);
        const neighbours = [bits - 1, bits + 1].filter(
          (other) => (other & 0x7fff) > 0 && other >> 15 === bits >> 15,
        );
        for (const other of neighbours) {
          const distance = Math.abs(meaning(other) - value);
          if (distance === found) expect(bits % 2).toBe(0);
          else expect(found).toBeLessThan(distance);
        }
      }),
      { numRuns: 5000 },
    );
  });

  it('makes what is too large infinite', () => {
    expect([...narrowFloat16(Float32Array.of(65519, 65520, -1e9, Infinity))]).toEqual([
      0x7bff, 0x7c00, 0xfc00, 0x7c00,
    ]);
  });
});
