/**
 * Both functions widen in place: `values` has n numbers of 4 bytes, and the n 16-bit numbers lie in the second half of
 * its bytes. Going upwards, number i is written to bytes [4i, 4i + 4), below those that are still to be read.
 */

/** IEEE 754 binary16 (1 sign, 5 exponent, 10 fraction bits) to binary32; exact, NaNs keep their payload. */
export function widenFloat16(values: Float32Array): void {
  const { halves, words } = viewsOf(values);
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i]!;
    const sign = (half & 0x8000) << 16;
    const magnitude = (half & 0x7fff) << 13;
    if ((half & 0x7c00) === 0x7c00) {
      words[i] = sign | 0x7f800000 | magnitude;
    } else {
      // as binary32 the same bits mean the number times 2⁻¹¹², for subnormal ones too: biases 127 and 15
      words[i] = magnitude;
      values[i]! *= 2 ** 112;
      words[i]! |= sign;
    }
  }
}

/** bfloat16, the upper half of a binary32, to binary32. */
export function widenBfloat16(values: Float32Array): void {
  const { halves, words } = viewsOf(values);
  for (let i = 0; i < halves.length; i++) words[i] = halves[i]! << 16;
}

function viewsOf({ buffer, byteOffset, length }: Float32Array): { halves: Uint16Array; words: Uint32Array } {
  return {
    halves: new Uint16Array(buffer, byteOffset + 2 * length, length),
    words: new Uint32Array(buffer, byteOffset, length),
  };
}

/** binary32 to binary16: to the nearest, ties to even; too large numbers become infinite, NaNs stay NaNs. */
export function narrowFloat16(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  const sum = new Float32Array(1);
  const sumWord = new Uint32Array(sum.buffer);
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const magnitude = word & 0x7fffffff;
    let half: number;
    if (magnitude > 0x7f800000) half = 0x7e00 | ((magnitude >>> 13) & 0x3ff);
    else if (magnitude >= 0x47800000) half = 0x7c00;
    else if (magnitude < 0x38800000) {
      // below 2⁻¹⁴: beside 0.5, whose last bit is worth 2⁻²⁴, the processor rounds to the steps of subnormal halves
      sum[0] = 0.5 + Math.abs(values[i]!);
      half = sumWord[0]! - 0x3f000000;
    } else half = (magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13;
    halves[i] = ((word >>> 16) & 0x8000) | half;
  }
  return halves;
}

/** binary32 to bfloat16: to the nearest, ties to even; NaNs stay NaNs. */
export function narrowBfloat16(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const isNaN = (word & 0x7fffffff) > 0x7f800000;
    halves[i] = isNaN ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return halves;
}
