import { InputError, shown } from '../../errors.js';
import { answerF1, exactMatch } from './answers.js';
import { requireQuestions, valueOf, type SquadReference } from './questions.js';

/** In percent. */
export interface SquadMetrics {
  readonly exact_match: number;
  readonly f1: number;
}

/**
 * How well questions are answered, as the official script of SQuAD 1.1 counts it: the mean over questions of the best
 * score among the right answers.
 *
 * @param predictions an answer for each id; others are not looked at
 * @throws InputError when there is no question, or one is there twice, has no right answer or no prediction (which the
 *   official script counts as 0)
 */
export function squadMetrics(
  predictions: ReadonlyMap<string, string>,
  references: readonly SquadReference[],
): SquadMetrics {
  requireQuestions(references);
  let exact = 0;
  let f1 = 0;
  for (const { id, answers } of references) {
    if (answers.length === 0)
      throw new InputError(
        `references: expected at least one answer of question ${shown(id)} (only in SQuAD 2.0 may there be none), found none`,
      );
    const prediction = valueOf(predictions, 'predictions', id);
    exact += Math.max(...answers.map((answer) => exactMatch(prediction, answer)));
    f1 += Math.max(...answers.map((answer) => answerF1(prediction, answer)));
  }
  return { exact_match: (100 * exact) / references.length, f1: (100 * f1) / references.length };
}
