// The next sentence: by chance, and the choice that has most in common with the context.
import { increment, inverseFrequencies, share, wordsOf } from './counting.mjs';

export function speechBaselines({ train, ...heldOut }) {
  const rarity = inverseFrequencies(train.flatMap(({ context, choices }) => [context, ...choices]));
  return Object.entries(heldOut).flatMap(([split, rows]) => [
    {
      ...{ task: 'speeches', baseline: 'chance', split, metric: 'accuracy' },
      value: rows.reduce((sum, { choices }) => sum + 1 / choices.length, 0) / rows.length,
    },
    ...[
      ['words in common', wordsInCommon],
      ['cosine of TF-IDF', (context, choice) => cosine(vectorOf(context), vectorOf(choice))],
    ].map(([baseline, likeness]) => ({
      ...{ task: 'speeches', baseline, split, metric: 'accuracy' },
      value: share(rows, ({ context, choices, label }) => {
        const scores = choices.map((choice) => likeness(context, choice));
        return scores.indexOf(Math.max(...scores)) === label;
      }),
    })),
  ]);

  function vectorOf(text) {
    const vector = new Map();
    for (const word of wordsOf(text)) increment(vector, word, rarity(word));
    return vector;
  }
}

/** Of the words that either has, the share that both have. */
function wordsInCommon(context, choice) {
  const words = new Set(wordsOf(context));
  const others = new Set(wordsOf(choice));
  const common = [...others].filter((word) => words.has(word)).length;
  return common / (words.size + others.size - common);
}

function cosine(vector, other) {
  let sum = 0;
  for (const [word, value] of vector) sum += value * (other.get(word) ?? 0);
  return sum / (Math.hypot(...vector.values()) * Math.hypot(...other.values()) || 1);
}
