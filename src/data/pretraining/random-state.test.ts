import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { randomState } from './random-state.js';

const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 });

describe('randomState', () => {
  it("draws numpy's numbers", () => {
    const random = randomState(1234);
    expect([random.random(), random.random(), random.random()]).toEqual([
      0.1915194503788923, 0.6221087710398319, 0.4377277390071145,
    ]);
    const items = Uint32Array.from({ length: 10 }, (_, i) => i);
    randomState(1234).shuffle(items);
    expect([...items]).toEqual([7, 2, 9, 1, 0, 8, 4, 5, 6, 3]);
    const whole = randomState(1234);
    expect(Array.from({ length: 6 }, () => whole.integer(0, 30522))).toEqual([
      27439, 25299, 1318, 23605, 27852, 23924,
    ]);
  });

  it('begins again with another seed', () => {
    fc.assert(
      fc.property(seeds, seeds, fc.nat(1300), (seed, before, drawn) => {
        const random = randomState(before);
        for (let i = 0; i < drawn; i++) random.random();
        random.seed(seed);
        const fresh = randomState(seed);
        for (let i = 0; i < 400; i++) if (random.random() !== fresh.random()) expect.fail(`draw ${i}`);
      }),
    );
  });

  it('draws whole numbers from a range, to both of its ends, and nothing where there is one', () => {
    fc.assert(
      fc.property(
        seeds,
        fc.integer({ min: -5, max: 5 }),
        fc.integer({ min: 1, max: 9 }),
        (seed, low, size) => {
          const random = randomState(seed);
          const drawn = Array.from({ length: 60 * size }, () => random.integer(low, low + size));
          expect([...new Set(drawn)].sort((a, b) => a - b)).toEqual(
            Array.from({ length: size }, (_, i) => low + i),
          );
          const other = randomState(seed);
          other.integer(low, low + 1);
          expect(other.random()).toBe(randomState(seed).random());
        },
      ),
    );
  });

  it('chooses by cumulated probabilities', () => {
    const random = randomState(5);
    const counts = [0, 0, 0];
    for (let i = 0; i < 10_000; i++) counts[random.choice([0.5, 0.5, 1])]!++;
    expect(counts[1]).toBe(0);
    expect(Math.abs(counts[0]! - 5000)).toBeLessThan(250);
  });

  it('shuffles a part, and leaves the rest', () => {
    fc.assert(
      fc.property(seeds, fc.nat(30), fc.nat(30), fc.nat(30), (seed, before, length, after) => {
        const items = Uint32Array.from({ length: before + length + after }, (_, i) => i);
        randomState(seed).shuffle(items, before, before + length);
        const alone = Uint32Array.from({ length }, (_, i) => before + i);
        randomState(seed).shuffle(alone);
        expect([...items]).toEqual([
          ...Array.from({ length: before }, (_, i) => i),
          ...alone,
          ...Array.from({ length: after }, (_, i) => before + length + i),
        ]);
        expect([...alone].sort((a, b) => a - b)).toEqual(Array.from({ length }, (_, i) => before + i));
      }),
    );
  });
});
