import { InputError, shown } from '../../errors.js';

/** Where the parts for training, validation and test begin and end: four boundaries. */
export type Boundaries = readonly [number, number, number, number];

/**
 * Shares out so many things as Megatron-LM's split strings say, such as `949,50,1`: numbers in proportion, of which
 * missing ones are 0.
 *
 * @throws InputError where it is not such a string
 */
export function splitBoundaries(split: string, count: number): Boundaries {
  const shares = split.split(/[,/]/).map((text) => (text.trim() === '' ? NaN : Number(text)));
  const sum = shares.reduce((total, share) => total + share, 0);
  if (shares.length > 3 || !shares.every((share) => share >= 0) || !(sum > 0 && sum < Infinity))
    throw new InputError(
      `split: expected up to three shares for training, validation and test, such as 949,50,1, found ${shown(split)}`,
    );
  const boundaries = [0];
  for (let i = 0; i < 3; i++)
    boundaries.push(boundaries[i]! + roundHalfToEven(((shares[i] ?? 0) / sum) * count));
  const excess = boundaries[3]! - count;
  const [, train, validation] = boundaries as [number, number, number, number];
  return [0, Math.max(0, train - excess), Math.max(0, validation - excess), count];
}

/** As Python's `round`. */
export function roundHalfToEven(x: number): number {
  const rounded = Math.round(x);
  return Math.abs(x % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
