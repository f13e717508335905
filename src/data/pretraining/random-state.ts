import { mersenneTwister32 } from './mersenne-twister.js';

/** What `numpy.random.RandomState` draws. */
export interface RandomState {
  /** From [0, 1). */
  random(): number;
  /** A whole number from `low` up to, but not, `high`. */
  integer(low: number, high: number): number;
  /** Which of the choices, whose cumulated probabilities these are. */
  choice(cumulated: readonly number[]): number;
  /** In place. */
  shuffle(items: Uint32Array, first?: number, end?: number): void;
}

/** @param seed below 2³² */
export function randomState(seed: number): RandomState {
  const bits = mersenneTwister32(seed);
  const random = () => ((bits() >>> 5) * 2 ** 26 + (bits() >>> 6)) / 2 ** 53;
  /** From 0 up to `most`: what exceeds it is drawn again. */
  const upTo = (most: number) => {
    if (most === 0) return 0;
    const mask = 0xffffffff >>> Math.clz32(most);
    for (;;) {
      const drawn = (bits() & mask) >>> 0;
      if (drawn <= most) return drawn;
    }
  };
  return {
    random,
    integer: (low, high) => low + upTo(high - 1 - low),
    choice(cumulated) {
      const drawn = random();
      return cumulated.findIndex((probability) => probability > drawn);
    },
    shuffle(items, first = 0, end = items.length) {
      for (let i = end - first - 1; i > 0; i--) {
        const j = upTo(i);
        [items[first + i], items[first + j]] = [items[first + j]!, items[first + i]!];
      }
    },
  };
}
