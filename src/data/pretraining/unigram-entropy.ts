import type { DatasetPart } from './prepare.js';

/** Tokens of each part that are looked at, and how many at once. */
const mostTokens = 2 ** 24;
const block = 2 ** 18;

/**
 * Nats per held-out token when all that is known are the training text's counts (one added to each); of large parts
 * their first 16 million tokens are counted.
 */
export function unigramEntropy(
  train: readonly DatasetPart[],
  heldOut: readonly DatasetPart[],
  vocabSize: number,
): number {
  const trainCounts = countTokens(train, vocabSize);
  const counts = countTokens(heldOut, vocabSize);
  const sum = (numbers: Float64Array) => numbers.reduce((total, count) => total + count, 0);
  const total = sum(trainCounts) + vocabSize;
  const nats = counts.map((count, id) => -count * Math.log((trainCounts[id]! + 1) / total));
  return sum(nats) / sum(counts);
}

function countTokens(parts: readonly DatasetPart[], vocabSize: number): Float64Array {
  const counts = new Float64Array(vocabSize);
  for (const { sequences, range } of parts) {
    const first = sequences.place(range.first);
    const end = Math.min(sequences.place(range.end), first + mostTokens);
    for (let at = first; at < end; at += block)
      for (const id of sequences.tokens(at, Math.min(block, end - at))) counts[id]!++;
  }
  return counts;
}
