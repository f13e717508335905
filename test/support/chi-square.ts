import { expect } from 'vitest';

/** One in a thousand samples of what is expected is farther from it. */
const criticalNormal = 3.0902;

/** What is exceeded with probability 0.001. Source: Wilson and Hilferty, 1931. */
const criticalChiSquare = (degrees: number): number =>
  degrees * (1 - 2 / (9 * degrees) + criticalNormal * Math.sqrt(2 / (9 * degrees))) ** 3;

/** Pearson's test at a significance of 0.001. @param probabilities of the categories, up to a factor */
export function expectFrequencies(counts: readonly number[], probabilities: readonly number[]): void {
  const sum = (numbers: readonly number[]) => numbers.reduce((total, x) => total + x, 0);
  const scale = sum(counts) / sum(probabilities);
  const statistic = sum(
    counts.map((count, i) => {
      const expected = probabilities[i]! * scale;
      if (expected === 0) return count === 0 ? 0 : Infinity;
      return (count - expected) ** 2 / expected;
    }),
  );
  const categories = probabilities.filter((probability) => probability > 0).length;
  expect(statistic).toBeLessThan(criticalChiSquare(categories - 1));
}
