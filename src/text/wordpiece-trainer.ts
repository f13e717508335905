import TinyQueue from 'tinyqueue';
import { bertNormalizer } from './bert-words.js';
import { pairKey, pairOfKey } from './piece-pairs.js';
import { continuation } from './pieces.js';
import { createWordCounter } from './word-counts.js';

export interface WordPieceTrainerOptions {
  /** Pieces in all, special tokens and characters included; fewer come out of a small text. */
  readonly vocabSize: number;
  /** Pairs that occur more seldom are not merged. */
  readonly minFrequency?: number;
  readonly lowercase?: boolean;
  /** Leaves accents out; where the case goes, they go too, by default. */
  readonly stripAccents?: boolean;
  /** The first pieces. */
  readonly specialTokens?: readonly string[];
  /** The most characters of the alphabet: the most frequent ones are kept. */
  readonly limitAlphabet?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

export const bertSpecialTokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'] as const;
export type BertSpecialToken = (typeof bertSpecialTokens)[number];

/** A word of the text: its pieces so far, and how often it occurs. */
interface Word {
  pieces: number[];
  readonly count: number;
}

interface Candidate {
  readonly left: number;
  readonly right: number;
  /** How often the pair occurred when this was queued. */
  readonly count: number;
}

/**
 * Trains a WordPiece vocabulary as Hugging Face's `WordPieceTrainer` does: pieces of words that occur
 * next to each other most often are merged, again and again, the earlier pieces first where counts tie.
 * Of the texts only the words are kept in memory.
 *
 * @returns the pieces in the order of their ids: special tokens, characters, merges
 */
export async function trainWordPiece(
  texts: Iterable<string> | AsyncIterable<string>,
  options: WordPieceTrainerOptions,
): Promise<string[]> {
  const { vocabSize, minFrequency = 2, lowercase = true, specialTokens = bertSpecialTokens } = options;
  const counter = createWordCounter(bertNormalizer(lowercase, options.stripAccents ?? null));
  for await (const text of texts) counter.add(text);
  const counts = counter.counts();
  const alphabet = chooseAlphabet(counts, options.limitAlphabet ?? 1000);

  const vocab: string[] = [];
  const ids = new Map<string, number>();
  const idOf = (piece: string): number => {
    const known = ids.get(piece);
    if (known !== undefined) return known;
    ids.set(piece, vocab.length);
    return vocab.push(piece) - 1;
  };
  for (const piece of [...specialTokens, ...alphabet]) idOf(piece);
  const words: Word[] = [...counts].map(([word, count]) => {
    const characters = Array.from(word).filter((character) => alphabet.has(character));
    return {
      pieces: characters.map((character, i) => idOf(i === 0 ? character : continuation + character)),
      count,
    };
  });

  const pairs = createPairs(words);
  options.onProgress?.(vocab.length, vocabSize);
  while (vocab.length < vocabSize) {
    const best = pairs.takeBest();
    if (!best || best.count < minFrequency) break;
    const merged = vocab[best.left]! + vocab[best.right]!.slice(continuation.length);
    pairs.merge(best, idOf(merged));
    if (vocab.length % 256 === 0) options.onProgress?.(vocab.length, vocabSize);
  }
  options.onProgress?.(vocabSize, vocabSize);
  return vocab;
}

function chooseAlphabet(words: ReadonlyMap<string, number>, limit: number): Set<string> {
  const counts = new Map<string, number>();
  for (const [word, count] of words)
    for (const character of word) counts.set(character, (counts.get(character) ?? 0) + count);
  const kept = [...counts].sort(([, a], [, b]) => b - a).slice(0, limit);
  return new Set(kept.map(([character]) => character).sort());
}

/** Counts of neighbouring pieces, kept up to date as pieces are merged. */
function createPairs(words: readonly Word[]) {
  const counts = new Map<number, number>();
  const whereabouts = new Map<number, Set<number>>();
  const queue = new TinyQueue<Candidate>(
    [],
    (a, b) => b.count - a.count || a.left - b.left || a.right - b.right,
  );

  const change = (left: number, right: number, by: number, word: number): void => {
    const key = pairKey(left, right);
    counts.set(key, (counts.get(key) ?? 0) + by);
    if (by < 0) return;
    const places = whereabouts.get(key);
    if (places) places.add(word);
    else whereabouts.set(key, new Set([word]));
  };
  const enqueue = (left: number, right: number): void => {
    const count = counts.get(pairKey(left, right)) ?? 0;
    if (count > 0) queue.push({ left, right, count });
  };

  words.forEach(({ pieces, count }, word) => {
    for (let i = 1; i < pieces.length; i++) change(pieces[i - 1]!, pieces[i]!, count, word);
  });
  for (const key of counts.keys()) enqueue(...pairOfKey(key));

  return {
    /** The most frequent pair. Counts in the queue may be out of date: such a pair is queued anew. */
    takeBest(): Candidate | undefined {
      for (;;) {
        const best = queue.pop();
        if (!best) return undefined;
        if (counts.get(pairKey(best.left, best.right)) === best.count) return best;
        enqueue(best.left, best.right);
      }
    },
    /** Makes one piece of the pair wherever it stands. */
    merge({ left, right }: Candidate, merged: number): void {
      const key = pairKey(left, right);
      const fresh = new Map<number, readonly [number, number]>();
      for (const number of whereabouts.get(key)!) {
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
            change(before, left, -count, number);
            change(before, merged, count, number);
            fresh.set(pairKey(before, merged), [before, merged]);
          }
          if (after !== undefined) {
            change(right, after, -count, number);
            change(merged, after, count, number);
            fresh.set(pairKey(merged, after), [merged, after]);
          }
          result.push(merged);
          i++;
        }
        word.pieces = result;
      }
      counts.delete(key);
      whereabouts.delete(key);
      for (const [a, b] of fresh.values()) enqueue(a, b);
    },
  };
}
