// How likely a token is after the two before it: interpolated Kneser-Ney.
import { increment } from './counting.mjs';

/**
 * @param blocks token ids
 * @returns functions of the token before the last, the last and the next one: by the frequency of tokens alone, and by the
 *   two before it. At a block's second token the first is missing.
 */
export function trainTrigrams(blocks, vocabSize) {
  const unigrams = new Map();
  const trigrams = new Map();
  const bigrams = new Map();
  const pair = (left, right) => left * vocabSize + right;
  const triple = (before, left, right) => pair(before, left) * vocabSize + right;
  for (const block of blocks)
    block.forEach((token, i) => {
      if (i > 0) increment(unigrams, token);
      if (i > 0) increment(bigrams, pair(block[i - 1], token));
      if (i > 1) increment(trigrams, triple(block[i - 2], block[i - 1], token));
    });

  // how many different tokens something was seen after, rather than how often it was seen
  const bigramKinds = new Map();
  for (const key of trigrams.keys()) increment(bigramKinds, key % (vocabSize * vocabSize));
  const unigramKinds = new Map();
  for (const key of bigrams.keys()) increment(unigramKinds, key % vocabSize);

  const total = [...unigrams.values()].reduce((sum, count) => sum + count, 0);
  const uniform = () => 1 / vocabSize;
  const ofTokens = smoothed(unigramKinds, () => 0, uniform);
  const ofPairs = smoothed(
    bigramKinds,
    (key) => Math.floor(key / vocabSize),
    (key) => ofTokens(key % vocabSize),
  );
  const ofTriples = smoothed(
    trigrams,
    (key) => Math.floor(key / vocabSize),
    (key) => ofPairs(key % (vocabSize * vocabSize)),
  );
  return {
    'frequency of tokens': (_, __, token) => ((unigrams.get(token) ?? 0) + 1) / (total + vocabSize),
    'trigrams (Kneser-Ney)': (before, left, token) =>
      before === undefined ? ofPairs(pair(left, token)) : ofTriples(triple(before, left, token)),
  };
}

/**
 * Takes a discount off each count; what that sets free is for the shorter key.
 *
 * @param historyOf of a key, what its probabilities sum to one over
 * @param shorter the probability where the history is not counted
 */
function smoothed(counts, historyOf, shorter) {
  const timesSeen = [...counts.values()];
  const once = timesSeen.filter((count) => count === 1).length;
  const twice = timesSeen.filter((count) => count === 2).length;
  const discount = once / (once + 2 * twice) || 0.5;
  const sums = new Map();
  const kinds = new Map();
  for (const [key, count] of counts) {
    increment(sums, historyOf(key), count);
    increment(kinds, historyOf(key));
  }
  return (key) => {
    const sum = sums.get(historyOf(key));
    if (sum === undefined) return shorter(key);
    const kept = Math.max((counts.get(key) ?? 0) - discount, 0) / sum;
    return kept + ((discount * kinds.get(historyOf(key))) / sum) * shorter(key);
  };
}
