/** What the trainers of WordPiece and of byte-level BPE share: merging, which both do as Hugging Face's `BpeTrainer`. */
import TinyQueue from 'tinyqueue';
import { pairKey, pairOfKey } from './piece-pairs.js';

/** Pieces by id, and ids by piece. */
export interface GrowingVocabulary {
  readonly pieces: readonly string[];
  /** Adds a piece that is not there. */
  readonly idOf: (piece: string) => number;
}

export function growingVocabulary(initial: Iterable<string>): GrowingVocabulary {
  const pieces: string[] = [];
  const ids = new Map<string, number>();
  const idOf = (piece: string): number => {
    const known = ids.get(piece);
    if (known !== undefined) return known;
    ids.set(piece, pieces.length);
    return pieces.push(piece) - 1;
  };
  for (const piece of initial) idOf(piece);
  return { pieces, idOf };
}

/** A word of the text: its pieces so far, and how often it occurs. */
export interface CountedWord {
  pieces: number[];
  readonly count: number;
}

export interface MergeOptions {
  /** Pieces in all. */
  readonly vocabSize: number;
  /** Pairs that occur more seldom are not merged. */
  readonly minFrequency: number;
  readonly join: (left: string, right: string) => string;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

type Pair = readonly [left: number, right: number];

interface Candidate {
  readonly pair: Pair;
  /** How often the pair occurred when this was queued. */
  readonly count: number;
  /** Numbers of the words in which it came about. */
  readonly words: readonly number[];
}

/**
 * Merges the pieces that stand next to each other most often, again and again, the lowest ids first where counts tie.
 * What is made grows the vocabulary.
 *
 * @returns the pairs in the order in which they were merged
 */
export function mergePieces(
  words: readonly CountedWord[],
  { pieces, idOf }: GrowingVocabulary,
  { vocabSize, minFrequency, join, onProgress }: MergeOptions,
): Pair[] {
  const merges: Pair[] = [];
  const pairs = countPairs(words);
  onProgress?.(pieces.length, vocabSize);
  while (pieces.length < vocabSize) {
    const best = pairs.takeBest();
    if (!best || best.count < Math.max(1, minFrequency)) break;
    const [left, right] = best.pair;
    pairs.merge(best, idOf(join(pieces[left]!, pieces[right]!)));
    merges.push(best.pair);
    if (merges.length % 256 === 0) onProgress?.(pieces.length, vocabSize);
  }
  onProgress?.(vocabSize, vocabSize);
  return merges;
}

/** Counts of neighbouring pieces, kept up to date as pieces are merged. */
function countPairs(words: readonly CountedWord[]) {
  const counts = new Map<number, number>();
  const queue = new TinyQueue<Candidate>(
    [],
    (a, b) => b.count - a.count || a.pair[0] - b.pair[0] || a.pair[1] - b.pair[1],
  );
  const change = (key: number, by: number) => counts.set(key, (counts.get(key) ?? 0) + by);

  /** Pairs that come about, to be queued once all are counted. */
  let fresh = new Map<number, number[]>();
  const add = (left: number, right: number, word: number): void => {
    const key = pairKey(left, right);
    change(key, words[word]!.count);
    const places = fresh.get(key);
    if (!places) fresh.set(key, [word]);
    else if (places.at(-1) !== word) places.push(word);
  };
  const enqueueFresh = (): void => {
    for (const [key, places] of fresh) {
      const count = counts.get(key)!;
      if (count > 0) queue.push({ pair: pairOfKey(key), count, words: places });
    }
    fresh = new Map();
  };

  words.forEach(({ pieces }, word) => {
    for (let i = 1; i < pieces.length; i++) add(pieces[i - 1]!, pieces[i]!, word);
  });
  enqueueFresh();

  return {
    /** The most frequent pair. Counts in the queue may be out of date: such a pair is queued anew. */
    takeBest(): Candidate | undefined {
      for (;;) {
        const best = queue.pop();
        if (!best) return undefined;
        const count = counts.get(pairKey(...best.pair))!;
        if (count === best.count) return best;
        queue.push({ ...best, count });
      }
    },
    /** Makes one piece of the pair in the words of a candidate. */
    merge({ pair: [left, right], words: places }: Candidate, merged: number): void {
      for (const number of places) {
        const word = words[number]!;
        const { pieces, count } = word;
        const result: number[] = [];
        for (let i = 0; i < pieces.length; i++) {
          if (pieces[i] !== left || pieces[i + 1] !== right) {
            result.push(pieces[i]!);
            continue;
          }
          const before = result.at(-1);
          const after = pieces[i + 2];
          if (before !== undefined) {
            change(pairKey(before, left), -count);
            add(before, merged, number);
          }
          if (after !== undefined) {
            change(pairKey(right, after), -count);
            add(merged, after, number);
          }
          result.push(merged);
          i++;
        }
        word.pieces = result;
      }
      enqueueFresh();
    },
  };
}
