import { InputError, shown } from '../../errors.js';
import { answerF1OrNone, exactMatch, normalizeAnswer } from './answers.js';
import { requireQuestions, valueOf, type SquadReference } from './questions.js';

/** Scores and `best_…` in percent: of all questions, of those with an answer, of those without, if there are any. */
export interface SquadV2Metrics {
  readonly exact: number;
  readonly f1: number;
  readonly total: number;
  readonly HasAns_exact?: number;
  readonly HasAns_f1?: number;
  readonly HasAns_total?: number;
  readonly NoAns_exact?: number;
  readonly NoAns_f1?: number;
  readonly NoAns_total?: number;
  /** With the best of all thresholds. */
  readonly best_exact: number;
  readonly best_exact_thresh: number;
  readonly best_f1: number;
  readonly best_f1_thresh: number;
}

/**
 * How well questions are answered, or left without an answer, as the official script of SQuAD 2.0 and `evaluate`'s
 * `squad_v2` count it.
 *
 * @param predictions for each id an answer, or '' for none; those of other ids are not looked at, here and below
 * @param noAnswerProbabilities for each id; of equal ones, thresholds are tried in the order of this map
 * @param threshold questions of a greater probability are left without an answer
 * @throws InputError when there is no question, or one is there twice, or has no prediction or no probability
 */
export function squadV2Metrics(
  predictions: ReadonlyMap<string, string>,
  references: readonly SquadReference[],
  noAnswerProbabilities: ReadonlyMap<string, number>,
  threshold: number,
): SquadV2Metrics {
  requireQuestions(references);
  const questions = new Map(
    references.map((reference) => [
      reference.id,
      scoreQuestion(
        reference,
        valueOf(predictions, 'predictions', reference.id),
        valueOf(noAnswerProbabilities, 'noAnswerProbabilities', reference.id),
      ),
    ]),
  );
  const decided = [...questions.values()].map((question) =>
    question.probability > threshold ? leftOut(question) : question,
  );
  const byProbability = [...noAnswerProbabilities.keys()]
    .flatMap((id) => questions.get(id) ?? [])
    .sort((a, b) => a.probability - b.probability);
  const exact = bestOf(byProbability, (question) => question.exact);
  const f1 = bestOf(byProbability, (question) => question.f1);
  const answerable = meansOf(decided.filter(({ hasAnswer }) => hasAnswer));
  const others = meansOf(decided.filter(({ hasAnswer }) => !hasAnswer));
  return {
    ...meansOf(decided),
    ...(answerable.total > 0 && {
      HasAns_exact: answerable.exact,
      HasAns_f1: answerable.f1,
      HasAns_total: answerable.total,
    }),
    ...(others.total > 0 && { NoAns_exact: others.exact, NoAns_f1: others.f1, NoAns_total: others.total }),
    ...{ best_exact: exact.score, best_exact_thresh: exact.threshold },
    ...{ best_f1: f1.score, best_f1_thresh: f1.threshold },
  };
}

interface ScoredQuestion {
  readonly hasAnswer: boolean;
  readonly isAnswered: boolean;
  readonly probability: number;
  readonly exact: number;
  readonly f1: number;
}

function scoreQuestion(
  { id, answers }: SquadReference,
  prediction: string,
  probability: number,
): ScoredQuestion {
  if (Number.isNaN(probability))
    throw new InputError(`noAnswerProbabilities: expected a number for question ${shown(id)}, found NaN`);
  const worded = answers.filter((answer) => normalizeAnswer(answer) !== '');
  const right = worded.length > 0 ? worded : [''];
  return {
    // an answer without words is one, too
    hasAnswer: answers.length > 0,
    isAnswered: prediction !== '',
    probability,
    exact: Math.max(...right.map((answer) => exactMatch(prediction, answer))),
    f1: Math.max(...right.map((answer) => answerF1OrNone(prediction, answer))),
  };
}

function leftOut(question: ScoredQuestion): ScoredQuestion {
  const score = question.hasAnswer ? 0 : 1;
  return { ...question, exact: score, f1: score };
}

function meansOf(questions: readonly ScoredQuestion[]) {
  const percent = (scores: readonly number[]) => (100 * sum(scores)) / scores.length;
  return {
    exact: percent(questions.map(({ exact }) => exact)),
    f1: percent(questions.map(({ f1 }) => f1)),
    total: questions.length,
  };
}

/**
 * The best score of any threshold: first all questions are left without an answer, then the surest are answered, one by
 * one. An answer to a question that has none costs what leaving it gained.
 */
function bestOf(byProbability: readonly ScoredQuestion[], scoreOf: (question: ScoredQuestion) => number) {
  let score = byProbability.filter(({ hasAnswer }) => !hasAnswer).length;
  let best = { score, threshold: 0 };
  for (const question of byProbability) {
    if (question.hasAnswer) score += scoreOf(question);
    else if (question.isAnswered) score--;
    if (score > best.score) best = { score, threshold: question.probability };
  }
  return { score: (100 * best.score) / byProbability.length, threshold: best.threshold };
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, x) => total + x, 0);
