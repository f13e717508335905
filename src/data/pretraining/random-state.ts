import { mersenneTwister32 } from './mersenne-twister.js';

/** What `numpy.random.RandomState` draws. */
export interface RandomState {
  /** Begins again. @param seed below 2³² */
  seed(seed: number): void;
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
  const random = () => ((bits.next() >>> 5) * 2 ** 26 + (bits.next() >>> 6)) / 2 ** 53;
  /** From 0 up to `most`: what exceeds it is drawn again. */
  const upTo = (most: number) => {
    if (most === 0) return 0;
    const mask = 0xffffffff >>> Math.clz32(most);
    for (;;) {
      const drawn = (bits.next() & mask) >>> 0;
      if (drawn <= most) return drawn;
    }
  };
  return {
    seed: (again) => {
      bits.seed(again);
    },
    random,
    integer: (low, high) => low + upTo(high - 1 - low),
    choice(cumulated) {
      const drawn = random();
      let chosen = 0;
      while (cumulated[chosen]! <= drawn) chosen++;
      return chosen;
    },
    shuffle(items, first = 0, end = items.length) {
      for (let i = end - first - 1; i > 0; i--) {
        const j = upTo(i);
        const item = items[first + i]!;
        items[first + i] = items[first + j]!;
        items[first + j] = item;
      }
    },
  };
}
