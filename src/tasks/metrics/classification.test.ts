import { describe, expect, test } from 'vitest';
import { readGzippedJson } from '../../../test/support/fixture.js';
import { InputError } from '../../errors.js';
import { accuracy, confusionMatrix, f1, matthewsCorrelation } from './classification.js';

const cases = readGzippedJson('metrics/classification.json.gz') as readonly (readonly [
  predictions: string,
  references: string,
  scores: readonly number[],
  binary: number | 'error',
  matrix?: readonly number[],
])[];

/** Classes are digits to the base 36. */
const classesOf = (digits: string) => Int32Array.from(digits.split(''), (digit) => parseInt(digit, 36));

test('scores are as those of scikit-learn', () => {
  expect(cases.length).toBeGreaterThanOrEqual(1000);
  for (const [predicted, actual, scores, binary] of cases) {
    const predictions = classesOf(predicted);
    const references = classesOf(actual);
    const found = [
      accuracy(predictions, references),
      f1(predictions, references, 'macro'),
      f1(predictions, references, 'micro'),
      f1(predictions, references, 'weighted'),
      matthewsCorrelation(predictions, references),
    ];
    expect(found, `${predicted} for ${actual}`).toEqual(
      scores.map((score) => expect.closeTo(score, 9) as number),
    );
    if (binary === 'error') expect(() => f1(predictions, references)).toThrow(InputError);
    else expect(f1(predictions, references)).toBeCloseTo(binary, 9);
  }
});

test('confusion matrices are equal to those of scikit-learn', () => {
  const withMatrix = cases.filter(([, , , , matrix]) => matrix);
  expect(withMatrix.length).toBeGreaterThanOrEqual(300);
  for (const [predicted, actual, , , matrix] of withMatrix) {
    const found = confusionMatrix(classesOf(predicted), classesOf(actual), Math.sqrt(matrix!.length));
    expect(found.flat(), `${predicted} for ${actual}`).toEqual(matrix);
  }
});

describe('what is refused', () => {
  test.each([
    [() => accuracy([1], [1, 0]), 'predictions: expected one for each of 2 references, found 1'],
    [() => matthewsCorrelation([], []), 'references: expected at least one, found none'],
    [() => accuracy([0, 1], [0, -100]), 'references[1]: expected a class (an integer from 0), found -100'],
    [() => f1([0.5], [1], 'macro'), 'predictions[0]: expected a class (an integer from 0), found 0.5'],
    [() => f1([1, 2], [1, 1]), 'predictions[1]: expected a class from 0 to 1, found 2'],
    [() => confusionMatrix([0, 1], [0, 3], 3), 'references[1]: expected a class from 0 to 2, found 3'],
  ])('%s', (call, message) => {
    expect(call).toThrow(new InputError(message));
  });
});
