import { InputError } from '../../errors.js';

/** @throws InputError unless there is a prediction for each reference, and at least one of both */
export function requirePairs(predictions: ArrayLike<unknown>, references: ArrayLike<unknown>): void {
  if (predictions.length !== references.length)
    throw new InputError(
      `predictions: expected one for each of ${references.length} references, found ${predictions.length}`,
    );
  if (references.length === 0) throw new InputError('references: expected at least one, found none');
}
