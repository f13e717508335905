import { InputError } from '../errors.js';
import { byteCharacters } from './byte-level.js';
import { endOfText, type Gpt2Tokenizer } from './gpt2-tokenizer.js';
import { growingVocabulary, mergePieces, type CountedWord } from './merge-training.js';
import { createByteLevelWordCounter } from './word-counts.js';

export interface ByteLevelBpeTrainerOptions {
  /** Tokens in all, special ones and the 256 bytes included; fewer come out of a small text. */
  readonly vocabSize: number;
  /** Pairs that occur more seldom are not merged. */
  readonly minFrequency?: number;
  /** The first tokens. */
  readonly specialTokens?: readonly string[];
  /** Whether a text begins as if a space came before it. */
  readonly addPrefixSpace?: boolean;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Trains GPT-2's byte-level BPE as Hugging Face's `ByteLevelBPETokenizer` does: the tokens of a word that stand next to
 * each other most often are merged, again and again, those of the lowest ids first where counts tie. Of the texts only
 * the words are kept in memory.
 *
 * @throws InputError where the vocabulary has no room for special tokens and bytes
 * @returns what a tokenizer is made of: tokens in the order of their ids (special ones, bytes, merges), and the merges
 */
export async function trainByteLevelBpe(
  texts: Iterable<string> | AsyncIterable<string>,
  { vocabSize, minFrequency = 2, ...options }: ByteLevelBpeTrainerOptions,
): Promise<{ readonly vocab: string[]; readonly merges: Gpt2Tokenizer['merges'] }> {
  const { specialTokens = [endOfText], addPrefixSpace = false, onProgress } = options;
  const vocabulary = growingVocabulary([...specialTokens, ...byteCharacters.toSorted()]);
  const least = vocabulary.pieces.length;
  if (vocabSize < least)
    throw new InputError(
      `vocabulary size: expected at least ${least}, for special tokens and bytes, found ${vocabSize}`,
    );
  const counter = createByteLevelWordCounter();
  for await (const text of texts) counter.add(addPrefixSpace && !text.startsWith(' ') ? ` ${text}` : text);

  const byteIds = byteCharacters.map(vocabulary.idOf);
  const encoder = new TextEncoder();
  const words = Array.from(counter.counts(), ([word, count]): CountedWord => {
    return { pieces: Array.from(encoder.encode(word), (byte) => byteIds[byte]!), count };
  });
  const merges = mergePieces(words, vocabulary, {
    vocabSize,
    minFrequency,
    join: (left, right) => left + right,
    onProgress,
  });
  const vocab = [...vocabulary.pieces];
  return { vocab, merges: merges.map(([left, right]) => [vocab[left]!, vocab[right]!]) };
}
