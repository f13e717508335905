import { describe, expect, it } from 'vitest';
import { mersenneTwister32, mersenneTwister64 } from './mersenne-twister.js';

describe('mersenneTwister32', () => {
  it('draws what std::mt19937 and numpy draw', () => {
    const bits = mersenneTwister32(1234);
    const first = [822569775, 2137449171, 2671936806, 3512589365, 1880026316];
    expect(first.map(() => bits.next())).toEqual(first);
    bits.seed(1);
    bits.seed(1234);
    expect(first.map(() => bits.next())).toEqual(first);
  });

  it("draws the 10,000th number that C++'s standard states", () => {
    const bits = mersenneTwister32(5489);
    expect(Array.from({ length: 10_000 }, () => bits.next()).at(-1)).toBe(4123659995);
  });
});

describe('mersenneTwister64', () => {
  const moduli = [1, 2, 1000, 1_000_003, 2 ** 31 - 1, 2 ** 32];

  it('draws what std::mt19937_64 draws, modulo any number', () => {
    for (const modulus of moduli) {
      const draw = mersenneTwister64(1235);
      const expected = [
        12475983374653888083n,
        573922149886606219n,
        5802434057304372554n,
        9262138314722780250n,
      ].map((bits) => Number(bits % BigInt(modulus)));
      expect(expected.map(() => draw(modulus))).toEqual(expected);
    }
  });

  it("draws the 10,000th number that C++'s standard states", () => {
    for (const modulus of moduli) {
      const draw = mersenneTwister64(5489);
      const drawn = Array.from({ length: 10_000 }, () => draw(modulus));
      expect(drawn.at(-1)).toBe(Number(9981545732273789042n % BigInt(modulus)));
    }
  });
});
