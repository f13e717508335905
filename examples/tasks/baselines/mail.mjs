// Spam: always the commoner class, and logistic regression over the words of a mail.
import { seededRandom, shuffled } from '../data/common.mjs';
import { increment, inverseFrequencies, mostFrequent, share, wordsOf } from './counting.mjs';

export function mailBaselines({ train, ...heldOut }) {
  const classes = new Map();
  for (const { label } of train) increment(classes, label);
  const commonest = mostFrequent(classes);
  const isSpam = trainLogisticRegression(train);
  return Object.entries(heldOut).flatMap(([split, rows]) =>
    [
      ['the commoner class', () => commonest],
      ['logistic regression over TF-IDF of words', ({ text }) => (isSpam(text) ? 'spam' : 'ham')],
    ].map(([baseline, classify]) => ({
      ...{ task: 'mail', baseline, split, metric: 'accuracy' },
      value: share(rows, (row) => classify(row) === row.label),
    })),
  );
}

// tried on the validation set
const epochs = 10;
const learningRate = 15;

function trainLogisticRegression(rows) {
  const rarity = inverseFrequencies(rows.map(({ text }) => text));
  const weights = new Map();
  let bias = 0;

  const examples = rows.map(({ text, label }) => ({
    features: featuresOf(text),
    target: label === 'spam' ? 1 : 0,
  }));
  const random = seededRandom(1);
  for (let epoch = 0; epoch < epochs; epoch++)
    for (const { features, target } of shuffled(examples, random)) {
      const step = (learningRate / (1 + epoch)) * (target - 1 / (1 + Math.exp(-score(features))));
      for (const [word, value] of features) weights.set(word, (weights.get(word) ?? 0) + step * value);
      bias += 0.1 * step;
    }
  return (text) => score(featuresOf(text)) > 0;

  function score(features) {
    let sum = bias;
    for (const [word, value] of features) sum += (weights.get(word) ?? 0) * value;
    return sum;
  }

  /** Of length one, or long mails would count more. */
  function featuresOf(text) {
    const counts = new Map();
    for (const word of wordsOf(text)) increment(counts, word);
    const values = [...counts].map(([word, count]) => [word, (1 + Math.log(count)) * rarity(word)]);
    const length = Math.hypot(...values.map(([, value]) => value)) || 1;
    return values.map(([word, value]) => [word, value / length]);
  }
}
