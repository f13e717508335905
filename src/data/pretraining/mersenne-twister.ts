/** The generators that Megatron-LM's data sets draw from, so that the same seeds give the same samples. */

export interface MersenneTwister {
  /** Begins again. */
  seed(seed: number): void;
  /** 32 random bits. */
  next(): number;
}

/** `std::mt19937`, which `numpy.random.RandomState(seed)` is too. */
export function mersenneTwister32(seed: number): MersenneTwister {
  const [size, middle] = [624, 397];
  const state = new Uint32Array(size);
  let place = 0;
  const begin = (first: number) => {
    state[0] = first;
    for (let i = 1; i < size; i++) {
      const before = state[i - 1]!;
      state[i] = Math.imul(1812433253, before ^ (before >>> 30)) + i;
    }
    place = 0;
  };
  begin(seed);
  return {
    seed: begin,
    next() {
      const after = place + 1 < size ? place + 1 : 0;
      const from = place + middle < size ? place + middle : place + middle - size;
      const joined = (state[place]! & 0x80000000) | (state[after]! & 0x7fffffff);
      // one word at a time, and not all 624 at once: a sample draws a few dozen
      let x = (state[place] = state[from]! ^ (joined >>> 1) ^ (joined & 1 ? 0x9908b0df : 0));
      place = after;
      x ^= x >>> 11;
      x ^= (x << 7) & 0x9d2c5680;
      x ^= (x << 15) & 0xefc60000;
      return (x ^ (x >>> 18)) >>> 0;
    },
  };
}

/** `std::mt19937_64`: a call gives 64 random bits modulo a number of at most 2³². */
export function mersenneTwister64(seed: number): (modulus: number) => number {
  const [size, middle] = [312, 156];
  // halves of 64-bit words: BigInt takes ten times as long
  const high = new Uint32Array(size);
  const low = new Uint32Array(size);
  let word = BigInt(seed);
  for (let i = 0; i < size; i++) {
    if (i > 0) word = BigInt.asUintN(64, 6364136223846793005n * (word ^ (word >> 62n)) + BigInt(i));
    high[i] = Number(word >> 32n);
    low[i] = Number(word & 0xffffffffn);
  }
  const twist = () => {
    for (let i = 0; i < size; i++) {
      const after = (i + 1) % size;
      const from = (i + middle) % size;
      const joinedHigh = high[i]!;
      const joinedLow = (low[i]! & 0x80000000) | (low[after]! & 0x7fffffff);
      const isOdd = joinedLow & 1;
      high[i] = high[from]! ^ (joinedHigh >>> 1) ^ (isOdd ? 0xb5026f5a : 0);
      low[i] = low[from]! ^ ((joinedLow >>> 1) | (joinedHigh << 31)) ^ (isOdd ? 0xa96619e9 : 0);
    }
  };
  let next = size;
  return (modulus) => {
    if (next === size) {
      twist();
      next = 0;
    }
    let [h, l] = [high[next]!, low[next]!];
    next++;
    [h, l] = [h ^ ((h >>> 29) & 0x55555555), l ^ (((l >>> 29) | (h << 3)) & 0x55555555)];
    [h, l] = [h ^ (((h << 17) | (l >>> 15)) & 0x71d67fff), l ^ ((l << 17) & 0xeda60000)];
    h ^= (l << 5) & 0xfff7eee0;
    l ^= h >>> 11;
    // sixteen bits at a time, so that nothing exceeds 2⁵³
    let rest = (h >>> 0) % modulus;
    rest = (rest * 2 ** 16 + (l >>> 16)) % modulus;
    return (rest * 2 ** 16 + (l & 0xffff)) % modulus;
  };
}
