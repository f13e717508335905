/** How alike two answers are, as SQuAD's official scripts tell, Python's strings included. */

const punctuation = /[!-/:-@[-`{-~]/g;

/** Whole words, where a word is of what Python takes for one: letters and numbers, no marks. */
const articles = /(?<![\p{L}\p{N}])(a|an|the)(?![\p{L}\p{N}])/gu;

/** Python's also has the four separators U+001C to U+001F. */
// eslint-disable-next-line no-control-regex
const whitespace = /[\p{White_Space}\u001c-\u001f]+/u;

/** In lower case, without ASCII punctuation, without the words a, an and the, words with one space between them. */
export function normalizeAnswer(text: string): string {
  const words = text.toLowerCase().replace(punctuation, '').replace(articles, ' ').split(whitespace);
  return words.filter((word) => word !== '').join(' ');
}

/** 1 where both are equal once they are normalized, 0 elsewhere. */
export const exactMatch = (prediction: string, answer: string): 0 | 1 =>
  normalizeAnswer(prediction) === normalizeAnswer(answer) ? 1 : 0;

/**
 * F1 of the words that both have, each as often as both have it; from 0 to 1. As in SQuAD 1.1: 0 where either has no
 * word, even if neither has.
 */
export function answerF1(prediction: string, answer: string): number {
  const predicted = wordsOf(prediction);
  const actual = wordsOf(answer);
  const common = countCommon(predicted, actual);
  if (common === 0) return 0;
  const precision = common / predicted.length;
  const recall = common / actual.length;
  return (2 * precision * recall) / (precision + recall);
}

/** As in SQuAD 2.0: where either has no word, 1 if neither has. */
export const answerF1OrNone = (prediction: string, answer: string): number =>
  wordsOf(prediction).length === 0 ? exactMatch(prediction, answer) : answerF1(prediction, answer);

const wordsOf = (text: string) => {
  const normalized = normalizeAnswer(text);
  return normalized === '' ? [] : normalized.split(' ');
};

function countCommon(words: readonly string[], others: readonly string[]): number {
  const left = new Map<string, number>();
  for (const word of others) left.set(word, (left.get(word) ?? 0) + 1);
  return words.filter((word) => {
    const count = left.get(word) ?? 0;
    left.set(word, count - 1);
    return count > 0;
  }).length;
}
