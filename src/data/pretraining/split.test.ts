import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../errors.js';
import { roundHalfToEven, splitBoundaries } from './split.js';

describe('splitBoundaries', () => {
  it.each([
    ['949,50,1', 1000, [0, 949, 999, 1000]],
    ['949,50,1', 777, [0, 737, 776, 777]],
    ['969, 30, 1', 12345, [0, 11963, 12333, 12345]],
    ['969/30/1', 12345, [0, 11963, 12333, 12345]],
    ['90,5,5', 10, [0, 10, 10, 10]],
    ['1,1,1', 100, [0, 34, 67, 100]],
    ['3', 7, [0, 7, 7, 7]],
    ['1,1', 7, [0, 3, 7, 7]],
  ])('%s of %d', (split, count, expected) => {
    expect(splitBoundaries(split, count)).toEqual(expected);
  });

  it('shares everything out, to each part as much as is due, give or take what rounding takes', () => {
    const shares = fc
      .array(fc.oneof(fc.nat(1000), fc.double({ min: 0, max: 100, noNaN: true })), {
        minLength: 1,
        maxLength: 3,
      })
      .filter((all) => all.some((share) => share > 1e-9));
    fc.assert(
      fc.property(shares, fc.nat(1e9), (given, count) => {
        const boundaries = splitBoundaries(given.join(), count);
        expect(boundaries[0]).toBe(0);
        expect(boundaries[3]).toBe(count);
        const sum = given.reduce((a, b) => a + b);
        for (let part = 0; part < 3; part++) {
          const size = boundaries[part + 1]! - boundaries[part]!;
          expect(Number.isInteger(size) && size >= 0).toBe(true);
          expect(Math.abs(size - ((given[part] ?? 0) / sum) * count)).toBeLessThanOrEqual(1.5 + 1e-6);
        }
      }),
    );
  });

  it.each(['', ',', '1,,2', 'a', '1,-1', '0', '0,0,0', '1,2,3,4', 'Infinity', 'NaN,1'])(
    'refuses %j',
    (split) => {
      expect(() => splitBoundaries(split, 10)).toThrow(InputError);
      expect(() => splitBoundaries(split, 10)).toThrow('split: expected up to three shares');
    },
  );
});

describe('roundHalfToEven', () => {
  it.each([
    [0.5, 0],
    [1.5, 2],
    [2.5, 2],
    [0.49999999999999994, 0],
    [2.51, 3],
    [7, 7],
    [2 ** 51 + 0.5, 2 ** 51],
    [2 ** 51 + 1.5, 2 ** 51 + 2],
  ])('%d is %d', (x, rounded) => {
    expect(roundHalfToEven(x)).toBe(rounded);
  });
});
