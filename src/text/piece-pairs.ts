const places = 2 ** 26;

/** One number for a pair of piece ids (below 2²⁶ each). */
export const pairKey = (left: number, right: number) => left * places + right;

export const pairOfKey = (key: number): readonly [left: number, right: number] => [
  Math.floor(key / places),
  key % places,
];
