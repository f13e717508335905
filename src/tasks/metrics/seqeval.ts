/** How well entities are found, as seqeval 1.2.2 counts it and `evaluate`'s `seqeval` names it. */
import { InputError } from '../../errors.js';
import { lenientEntities, type TaggedEntity } from './lenient-entities.js';
import { requirePairs } from './paired.js';
import { strictEntities, type TaggingScheme } from './strict-entities.js';

/** Of the entities of one type; each from 0 to 1. */
export interface EntityScores {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Of true entities. */
  readonly number: number;
}

/** The scores of each type, by its name, and of all entities together. */
export interface SeqevalMetrics {
  readonly [type: string]: EntityScores | number;
  readonly overall_precision: number;
  readonly overall_recall: number;
  readonly overall_f1: number;
  /** Of tags, not of entities. */
  readonly overall_accuracy: number;
}

/**
 * Scores of entities, which are found where type, first and last tag are the true ones'.
 *
 * @param predictions tags of sentences, such as "B-PER", as many in each as in that of `references`
 * @param scheme that tags must keep to; without one entities are found in all, as conlleval finds them. A scheme is
 *   seqeval's strict mode, where a predicted tag of no use is no entity.
 * @returns 0 for a ratio of nothing to nothing, as seqeval does
 * @throws InputError when lengths differ, there is no tag at all, one is empty, or one is not of the scheme
 */
export function seqevalMetrics(
  predictions: readonly (readonly string[])[],
  references: readonly (readonly string[])[],
  scheme?: TaggingScheme,
): SeqevalMetrics {
  requireSentences(predictions, references);
  const entitiesOf = (sentences: readonly (readonly string[])[], source: string) =>
    scheme === undefined ? lenientEntities(sentences) : strictEntities(sentences, scheme, source);
  const counts = countByType(entitiesOf(predictions, 'predictions'), entitiesOf(references, 'references'));
  const types = [...counts.keys()].sort();
  const overall = scoresOf([...counts.values()].reduce(addCounts, none));
  return {
    ...Object.fromEntries(types.map((type) => [type, scoresOf(counts.get(type)!)])),
    overall_precision: overall.precision,
    overall_recall: overall.recall,
    overall_f1: overall.f1,
    overall_accuracy: tagAccuracy(predictions.flat(), references.flat()),
  };
}

interface EntityCount {
  readonly correct: number;
  readonly predicted: number;
  readonly actual: number;
}

const none: EntityCount = { correct: 0, predicted: 0, actual: 0 };

const addCounts = (a: EntityCount, b: EntityCount): EntityCount => ({
  correct: a.correct + b.correct,
  predicted: a.predicted + b.predicted,
  actual: a.actual + b.actual,
});

function countByType(
  predicted: readonly TaggedEntity[],
  actual: readonly TaggedEntity[],
): Map<string, EntityCount> {
  const keyOf = ({ type, start, end }: TaggedEntity) => `${start} ${end} ${type}`;
  const keys = new Set(actual.map(keyOf));
  const counts = new Map<string, EntityCount>();
  const add = (type: string, count: Partial<EntityCount>) =>
    counts.set(type, addCounts(counts.get(type) ?? none, { ...none, ...count }));
  for (const { type } of actual) add(type, { actual: 1 });
  for (const entity of predicted)
    add(entity.type, { predicted: 1, correct: keys.has(keyOf(entity)) ? 1 : 0 });
  return counts;
}

function scoresOf({ correct, predicted, actual }: EntityCount): EntityScores {
  const precision = ratio(correct, predicted);
  const recall = ratio(correct, actual);
  return { precision, recall, f1: ratio(2 * precision * recall, precision + recall), number: actual };
}

const ratio = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);

const tagAccuracy = (predictions: readonly string[], references: readonly string[]) =>
  references.filter((tag, i) => tag === predictions[i]).length / references.length;

function requireSentences(
  predictions: readonly (readonly string[])[],
  references: readonly (readonly string[])[],
): void {
  requirePairs(predictions, references);
  references.forEach((tags, sentence) => {
    const found = predictions[sentence]!.length;
    if (found !== tags.length)
      throw new InputError(
        `predictions[${sentence}]: expected a tag for each of the ${tags.length} of its reference, found ${found}`,
      );
  });
  if (references.every((tags) => tags.length === 0))
    throw new InputError('references: expected at least one tag, found none');
  for (const [source, sentences] of Object.entries({ predictions, references }))
    sentences.forEach((tags, sentence) => {
      if (tags.includes(''))
        throw new InputError(
          `${source}[${sentence}][${tags.indexOf('')}]: expected a tag, such as "O" or "B-PER", found ""`,
        );
    });
}
