import fc from 'fast-check';
import { expect, test } from 'vitest';
import { groupByLength } from './group-by-length.js';

const lengths = fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 9 });
const cost = (groups: readonly (readonly number[])[], sizes: readonly number[]) =>
  groups.reduce((sum, group) => sum + group.length * Math.max(...group.map((i) => sizes[i]!)) + 48, 0);

/** Every division of a sorted list into stretches. */
function divisions(order: readonly number[]): number[][][] {
  if (order.length === 0) return [[]];
  return order.flatMap((_, i) =>
    divisions(order.slice(i + 1)).map((rest) => [order.slice(0, i + 1), ...rest]),
  );
}

test('every text is in one group, and none is larger than allowed', () => {
  fc.assert(
    fc.property(lengths, (sizes) => {
      const groups = groupByLength(sizes, 100);
      expect(groups.flat().sort((a, b) => a - b)).toEqual([...sizes.keys()]);
      for (const group of groups) expect(group.length === 1 || cost([group], sizes) - 48 <= 100).toBe(true);
    }),
  );
});

test('no division of the sorted texts costs less', () => {
  fc.assert(
    fc.property(lengths, (sizes) => {
      const order = [...sizes.keys()].sort((a, b) => sizes[a]! - sizes[b]!);
      const allowed = divisions(order).filter((groups) =>
        groups.every((group) => group.length === 1 || cost([group], sizes) - 48 <= 100),
      );
      const least = Math.min(...allowed.map((groups) => cost(groups, sizes)));
      expect(cost(groupByLength(sizes, 100), sizes)).toBe(least);
    }),
  );
});

test('texts of one length are one group', () => {
  expect(groupByLength(new Array<number>(8).fill(128), 4096)).toHaveLength(1);
});
