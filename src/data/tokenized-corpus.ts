import { InputError } from '../errors.js';
import type { Tokenizer } from '../text/tokenizer.js';
import { splitSentences } from './sentences.js';

/** Token ids of documents and their sentences, in memory that threads share. */
export interface TokenizedCorpus {
  readonly tokens: Int32Array;
  /** Sentence i is `tokens[sentences[i]]` up to `tokens[sentences[i + 1]]`. */
  readonly sentences: Int32Array;
  /** Document j is sentence `documents[j]` up to sentence `documents[j + 1]`. */
  readonly documents: Int32Array;
}

/** Longer sentences are cut: tables and lists without full stops. */
const longestSentence = 512;

/** Documents without a token are left out. `onProgress` is told how many documents are done. */
export function tokenizeCorpus(
  documents: readonly string[],
  tokenizer: Pick<Tokenizer, 'tokenize'>,
  onProgress?: (done: number, total: number) => void,
): TokenizedCorpus {
  return packCorpus(
    documents.map((document, i) => {
      const sentences = splitSentences(document).flatMap((sentence) => cut(tokenizer.tokenize(sentence)));
      onProgress?.(i + 1, documents.length);
      return sentences;
    }),
  );
}

function cut(sentence: readonly number[]): Int32Array[] {
  const pieces = Math.ceil(sentence.length / longestSentence);
  return Array.from({ length: pieces }, (_, i) =>
    Int32Array.from(sentence.slice(i * longestSentence, (i + 1) * longestSentence)),
  );
}

function packCorpus(documents: readonly (readonly Int32Array[])[]): TokenizedCorpus {
  const filled = documents.filter((document) => document.length > 0);
  const sentences = filled.flat();
  const starts = offsets(sentences);
  const tokens = sharedInt32(starts.at(-1)!);
  sentences.forEach((sentence, i) => {
    tokens.set(sentence, starts[i]);
  });
  return { tokens, sentences: starts, documents: offsets(filled) };
}

/** Where each part starts, and after the last one its end. */
function offsets(parts: readonly { readonly length: number }[]): Int32Array {
  const starts = sharedInt32(parts.length + 1);
  parts.forEach(({ length }, i) => {
    starts[i + 1] = starts[i]! + length;
  });
  return starts;
}

function sharedInt32(length: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(length * Int32Array.BYTES_PER_ELEMENT));
}

/** The sentences of each document, as views of the tokens. */
function unpackCorpus({ tokens, sentences, documents }: TokenizedCorpus): Int32Array[][] {
  return Array.from(documents.subarray(1), (end, j) =>
    Array.from({ length: end - documents[j]! }, (_, i) => {
      const sentence = documents[j]! + i;
      return tokens.subarray(sentences[sentence], sentences[sentence + 1]);
    }),
  );
}

/** Documents that a corpus must have for whole ones to be held out. */
const enoughDocuments = 20;
/** Tokens without which neither training nor evaluation says anything. */
const fewestTokens = 64;

/**
 * Keeps a part of a corpus for evaluation: every k-th document, or of a few documents the last sentences.
 *
 * @throws InputError where one of the two would have next to no text
 */
export function splitCorpus(
  corpus: TokenizedCorpus,
  heldOutFraction: number,
): { readonly train: TokenizedCorpus; readonly heldOut: TokenizedCorpus } {
  if (!(heldOutFraction > 0 && heldOutFraction < 1))
    throw new InputError(`held-out fraction: expected a number between 0 and 1, found ${heldOutFraction}`);
  const documents = unpackCorpus(corpus);
  const isHeldOut = (i: number) => Math.floor((i + 1) * heldOutFraction) > Math.floor(i * heldOutFraction);
  let train = documents.filter((_, i) => !isHeldOut(i));
  let heldOut = documents.filter((_, i) => isHeldOut(i));
  if (documents.length < enoughDocuments || heldOut.length === 0) {
    const count = documents.flat().length;
    const boundary = count - Math.max(1, Math.round(count * heldOutFraction));
    let seen = 0;
    const parts = documents.map((document) => {
      const here = Math.min(Math.max(boundary - seen, 0), document.length);
      seen += document.length;
      return [document.slice(0, here), document.slice(here)] as const;
    });
    train = parts.map(([before]) => before);
    heldOut = parts.map(([, after]) => after);
  }
  const split = { train: packCorpus(train), heldOut: packCorpus(heldOut) };
  for (const [name, { tokens }] of Object.entries(split))
    if (tokens.length < fewestTokens)
      throw new InputError(
        `the corpus is too small: ${corpus.tokens.length} tokens leave ${tokens.length} ${name === 'train' ? 'to train on' : 'to evaluate with'}, at least ${fewestTokens} are needed`,
      );
  return split;
}

/** Nats per held-out token when all that is known are the training text's counts (one added to each). */
export function unigramEntropy(train: TokenizedCorpus, heldOut: TokenizedCorpus, vocabSize: number): number {
  const counts = new Float64Array(vocabSize).fill(1);
  for (const id of train.tokens) counts[id]!++;
  const total = train.tokens.length + vocabSize;
  return heldOut.tokens.reduce((sum, id) => sum - Math.log(counts[id]! / total), 0) / heldOut.tokens.length;
}
