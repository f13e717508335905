import { bertNormalizer } from './bert-words.js';
import { growingVocabulary, mergePieces, type CountedWord } from './merge-training.js';
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

  const vocabulary = growingVocabulary([...specialTokens, ...alphabet]);
  const words = [...counts].map(([word, count]): CountedWord => {
    const characters = Array.from(word).filter((character) => alphabet.has(character));
    const pieces = characters.map((character, i) => (i === 0 ? character : continuation + character));
    return { pieces: pieces.map(vocabulary.idOf), count };
  });
  mergePieces(words, vocabulary, {
    vocabSize,
    minFrequency,
    join: (left, right) => left + right.slice(continuation.length),
    onProgress: options.onProgress,
  });
  return [...vocabulary.pieces];
}

function chooseAlphabet(words: ReadonlyMap<string, number>, limit: number): Set<string> {
  const counts = new Map<string, number>();
  for (const [word, count] of words)
    for (const character of word) counts.set(character, (counts.get(character) ?? 0) + count);
  const kept = [...counts].sort(([, a], [, b]) => b - a).slice(0, limit);
  return new Set(kept.map(([character]) => character).sort());
}
