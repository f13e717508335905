import { InputError, shown } from '../../errors.js';

/** A question with its right answers; without any it has no answer, as in SQuAD 2.0. */
export interface SquadReference {
  readonly id: string;
  readonly answers: readonly string[];
}

/** @throws InputError when there is no question, or one is there twice */
export function requireQuestions(references: readonly SquadReference[]): void {
  if (references.length === 0) throw new InputError('references: expected at least one question, found none');
  const ids = new Set<string>();
  references.forEach(({ id }, i) => {
    if (ids.has(id))
      throw new InputError(`references[${i}]: expected an id of its own, found ${shown(id)} again`);
    ids.add(id);
  });
}

/** @throws InputError when `values`, named `name`, have none for the question */
export function valueOf<Value>(values: ReadonlyMap<string, Value>, name: string, id: string): Value {
  const value = values.get(id);
  if (value === undefined)
    throw new InputError(`${name}: expected one for question ${shown(id)}, found none`);
  return value;
}
