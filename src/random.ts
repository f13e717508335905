/**
 * Counter-based randomness: every number is a function of a key and an index, so that it does not depend
 * on the order in which numbers are drawn nor on how a tensor is split over ranks.
 */

/** Two 32-bit words. */
export type RandomKey = readonly [number, number];

/** A bijective 32-bit mix (Wellons' "lowbias32" with the constants of 2020: exact bias 0.1074). */
export function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0xd35a2d97);
  return (x ^ (x >>> 15)) >>> 0;
}

/** The 32 random bits at `index` (below 2³²) of the stream named by `key`. */
export function randomBits(key: RandomKey, index: number): number {
  return mix((mix((index ^ key[0]) | 0) + key[1]) | 0);
}

/** A key for a list of integers and strings (seed, step, layer, parameter name …). */
export function randomKey(...parts: readonly (number | string)[]): RandomKey {
  let low = 0x9e3779b9;
  let high = 0x85ebca6b;
  for (const part of parts) {
    const words =
      typeof part === 'string' ? Array.from(part, (character) => character.codePointAt(0)!) : [part];
    for (const word of [...words, words.length]) {
      low = mix((low + word) | 0);
      high = mix((high ^ low ^ Math.floor(word / 2 ** 32)) | 0);
    }
  }
  return [low, high];
}

/** A number in [0, 1). */
export function randomUniform(key: RandomKey, index: number): number {
  return randomBits(key, index) / 2 ** 32;
}

/** A standard normal number (Box–Muller on the pair of uniforms that index `index` owns; index below 2³¹). */
export function randomNormal(key: RandomKey, index: number): number {
  const radius = Math.sqrt(-2 * Math.log((randomBits(key, 2 * index) + 1) / 2 ** 32));
  return radius * Math.cos((2 * Math.PI * randomBits(key, 2 * index + 1)) / 2 ** 32);
}
