import { expect, test } from 'vitest';
import { perplexity } from './perplexity.js';

test('perplexity is e to the loss', () => {
  expect(perplexity(0)).toBe(1);
  expect(perplexity(2.5)).toBeCloseTo(12.182493960703473, 12);
  expect(perplexity(709)).toBeLessThan(Infinity);
  expect(perplexity(710)).toBe(Infinity);
  expect(perplexity(NaN)).toBeNaN();
});
