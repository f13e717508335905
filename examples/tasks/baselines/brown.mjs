// Parts of speech: the class that a word has most often; of unknown words that of their ending.
import { createTable, increment, mostFrequent, share } from './counting.mjs';

/** With whether a word begins with a capital, which names do. */
const endingOf = (word) => `${/^\p{Lu}/u.test(word)} ${word.slice(-3)}`;

export function brownBaselines({ train, ...heldOut }) {
  const classes = new Map();
  const ofWord = createTable();
  const ofEnding = createTable();
  for (const { word, tag } of taggedWords(train)) {
    increment(classes, tag);
    ofWord.add(word, tag);
    ofEnding.add(endingOf(word), tag);
  }
  const commonest = mostFrequent(classes);
  // at the beginning of a sentence a word has a capital that it may have nowhere else
  const known = (word) => ofWord.likeliest(word) ?? ofWord.likeliest(word.toLowerCase());
  return Object.entries(heldOut).flatMap(([split, rows]) => {
    const words = taggedWords(rows);
    const unknown = words.filter(({ word }) => known(word) === undefined);
    return [
      ['the commonest class', () => commonest, words],
      ["a word's class, else the commonest", (word) => known(word) ?? commonest, words],
      ["a word's class, else its ending's", guess, words],
      ['the same, of unknown words', guess, unknown],
    ].map(([baseline, classify, among]) => ({
      ...{ task: 'brown', baseline, split, metric: 'accuracy' },
      value: share(among, ({ word, tag }) => classify(word) === tag),
    }));
  });

  function guess(word) {
    return known(word) ?? ofEnding.likeliest(endingOf(word)) ?? commonest;
  }
}

const taggedWords = (rows) =>
  rows.flatMap(({ tokens, tags }) => tokens.map((word, i) => ({ word, tag: tags[i] })));
