import { wordPattern } from './byte-level.js';
import { chunkPattern, detached, normalize, splitWords, type BertNormalizer } from './bert-words.js';

/** Characters of what is counted before it is split: of languages without spaces a chunk is a sentence, which seldom recurs. */
const longestChunk = 32;
/** Chunks that are counted before they are split. */
const mostChunks = 2 ** 20;

/** Counts BERT's words in texts that are added one by one. */
export function createWordCounter(normalizer: BertNormalizer) {
  const chunks = new Map<string, number>();
  const words = new Map<string, number>();
  const addWords = (chunk: string, count: number): void => {
    const { text } = normalize(chunk, normalizer);
    for (const { from, to } of splitWords(text)) increase(words, text.slice(from, to), count);
  };
  const splitChunks = (): void => {
    for (const [chunk, count] of chunks) addWords(chunk, count);
    chunks.clear();
  };
  return {
    add(text: string): void {
      for (const [chunk] of text.matchAll(chunkPattern))
        if (chunk.length <= longestChunk) increase(chunks, chunk, 1);
        else addWords(chunk, 1);
      if (chunks.size > mostChunks) splitChunks();
    },
    /** How often each word occurs; sorted, so that it does not matter in which order the texts came. */
    counts(): Map<string, number> {
      splitChunks();
      return sorted(words);
    },
  };
}

/** Counts GPT-2's words in texts that are added one by one. */
export function createByteLevelWordCounter() {
  const words = new Map<string, number>();
  return {
    add(text: string): void {
      for (const [word] of text.matchAll(wordPattern)) increase(words, word, 1);
    },
    /** The same. */
    counts: () => sorted(words),
  };
}

const sorted = (counts: ReadonlyMap<string, number>) =>
  new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));

function increase(counts: Map<string, number>, key: string, by: number): void {
  const count = counts.get(key);
  if (count === undefined) counts.set(detached(key), by);
  else counts.set(key, count + by);
}
