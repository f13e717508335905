// What several baselines count.

export const increment = (counts, key, by = 1) => counts.set(key, (counts.get(key) ?? 0) + by);

/** Counts of what goes with each key: `add(key, value)`, and the value that a key is seen with most. */
export function createTable() {
  const table = new Map();
  return {
    add(key, value) {
      if (!table.has(key)) table.set(key, new Map());
      increment(table.get(key), value);
    },
    get: (key) => table.get(key),
    likeliest: (key) => mostFrequent(table.get(key) ?? new Map()),
  };
}

/** Of several the first. */
export function mostFrequent(counts) {
  let best;
  let most = 0;
  for (const [key, count] of counts)
    if (count > most) {
      best = key;
      most = count;
    }
  return best;
}

export const share = (items, isRight) => items.filter(isRight).length / items.length;

export const wordsOf = (text) => text.toLowerCase().match(/[\p{L}\p{N}$]+(?:['’-][\p{L}\p{N}]+)*/gu) ?? [];

/** How rare each word is among texts: the logarithm of the share of texts that have it, negated. */
export function inverseFrequencies(texts) {
  const counts = new Map();
  for (const text of texts) for (const word of new Set(wordsOf(text))) increment(counts, word);
  return (word) => Math.log((texts.length + 1) / ((counts.get(word) ?? 0) + 1));
}
