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
