/** How the labels of tokens become entities, as in transformers' token classification. */
import { argmax } from './scores.js';

/** A token of a text with the probabilities of its labels. */
export interface ScoredToken {
  /** As the tokenizer has it, with its ##; of an unknown one what stands in the text. */
  readonly word: string;
  readonly scores: readonly number[];
  readonly start: number;
  readonly end: number;
  readonly index: number;
  readonly isSubword: boolean;
}

/** Of a token or a word. */
export interface Entity {
  readonly entity: string;
  readonly score: number;
  readonly word: string;
  /** In UTF-16 units: `text.slice(start, end)`. */
  readonly start: number;
  readonly end: number;
}

/** Of neighbours with one label. */
export interface EntityGroup {
  readonly entity_group: string;
  readonly score: number;
  readonly word: string;
  readonly start: number;
  readonly end: number;
}

/**
 * How one label is found for the pieces of a word: not at all, so that each keeps its own (`simple`), by its first
 * piece's, by the mean of all, or by the surest.
 */
export type AggregationStrategy = 'none' | 'simple' | 'first' | 'average' | 'max';

/** Makes text of tokens. */
export type Join = (words: readonly string[]) => string;

export const toEntity = ({ word, scores, start, end }: ScoredToken, labels: readonly string[]): Entity => ({
  ...best(scores, labels),
  ...{ word, start, end },
});

export function groupTokens(
  tokens: readonly ScoredToken[],
  strategy: Exclude<AggregationStrategy, 'none'>,
  labels: readonly string[],
  join: Join,
): EntityGroup[] {
  const entities =
    strategy === 'simple'
      ? tokens.map((token) => toEntity(token, labels))
      : splitWhere(tokens, ({ isSubword }) => !isSubword).map((word) =>
          wordEntity(word, strategy, labels, join),
        );
  return splitWhere(entities, (entity, before) => {
    const [prefix, tag] = splitTag(entity.entity);
    return prefix === 'B' || tag !== splitTag(before.entity)[1];
  }).map((group) => ({
    entity_group: group[0]!.entity.slice(group[0]!.entity.indexOf('-') + 1),
    score: mean(group.map(({ score }) => score)),
    word: join(group.map(({ word }) => word)),
    start: group[0]!.start,
    end: group.at(-1)!.end,
  }));
}

function wordEntity(
  word: readonly ScoredToken[],
  strategy: 'first' | 'average' | 'max',
  labels: readonly string[],
  join: Join,
): Entity {
  const scores = {
    first: () => word[0]!.scores,
    average: () => labels.map((_, label) => mean(word.map((token) => token.scores[label]!))),
    max: () => word[argmax(word.map((token) => Math.max(...token.scores)))]!.scores,
  }[strategy]();
  return {
    ...best(scores, labels),
    word: join(word.map((token) => token.word)),
    start: word[0]!.start,
    end: word.at(-1)!.end,
  };
}

function best(scores: readonly number[], labels: readonly string[]) {
  const label = argmax(scores);
  return { entity: labels[label]!, score: scores[label]! };
}

const mean = (numbers: readonly number[]) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;

/** A label that says neither goes on with the one before. */
const splitTag = (label: string): readonly [prefix: 'B' | 'I', tag: string] =>
  /^[BI]-/.test(label) ? [label[0] as 'B' | 'I', label.slice(2)] : ['I', label];

function splitWhere<Item>(
  items: readonly Item[],
  startsAnew: (item: Item, before: Item) => boolean,
): Item[][] {
  const groups: Item[][] = [];
  items.forEach((item, i) => {
    if (i === 0 || startsAnew(item, items[i - 1]!)) groups.push([item]);
    else groups.at(-1)!.push(item);
  });
  return groups;
}

/** Windows of a long text overlap: of entities at one place the longest stays, or the surest of the longest. */
export function withoutOverlaps<Found extends { start: number; end: number; score: number }>(
  entities: readonly Found[],
): Found[] {
  const kept: Found[] = [];
  for (const entity of entities.toSorted((a, b) => a.start - b.start)) {
    const last = kept.at(-1);
    if (!last || entity.start >= last.end) {
      kept.push(entity);
      continue;
    }
    const longer = entity.end - entity.start - (last.end - last.start);
    if (longer > 0 || (longer === 0 && entity.score > last.score)) kept[kept.length - 1] = entity;
  }
  return kept;
}
