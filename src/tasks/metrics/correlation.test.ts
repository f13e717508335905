import { expect, test } from 'vitest';
import { readGzippedJson } from '../../../test/support/fixture.js';
import { InputError } from '../../errors.js';
import { meanSquaredError, pearson, spearman } from './correlation.js';

/** What is not finite is text. */
type Value = number | 'NaN' | 'Infinity' | '-Infinity';

const cases = readGzippedJson('metrics/correlations.json.gz') as readonly (readonly [
  predictions: readonly Value[],
  references: readonly Value[],
  scores: readonly [pearson: Value | 'error', spearman: Value, meanSquaredError: Value | null],
])[];

test('scores are as those of SciPy and scikit-learn', () => {
  expect(cases.length).toBeGreaterThanOrEqual(1000);
  for (const [predicted, actual, [correlation, ranks, error]] of cases) {
    const predictions = Float64Array.from(predicted, Number);
    const references = actual.map(Number);
    const where = `${predicted.join()} for ${actual.join()}`;
    if (correlation === 'error') expect(() => pearson(predictions, references)).toThrow(InputError);
    else {
      const found = pearson(predictions, references);
      expectClose(found, Number(correlation), where);
      expect(Math.abs(found), where).not.toBeGreaterThan(1);
    }
    expectClose(spearman(predictions, references), Number(ranks), where);
    if (error !== null) expectClose(meanSquaredError(predictions, references), Number(error), where);
  }
});

/** The reference's numbers have twelve digits. */
function expectClose(found: number, expected: number, where: string): void {
  if (!Number.isFinite(expected)) expect(found, where).toBe(expected);
  else expect(Math.abs(found - expected), where).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(expected)));
}

test('what cannot be compared is refused', () => {
  expect(() => spearman([1], [1, 2])).toThrow('predictions: expected one for each of 2 references, found 1');
  expect(() => meanSquaredError([], [])).toThrow('references: expected at least one, found none');
  expect(() => pearson([1], [1])).toThrow('references: expected at least two to correlate, found 1');
});
