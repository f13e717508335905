import { availableParallelism } from 'node:os';
import { InputError, shown } from '../../errors.js';
import type { AnyTokenizer } from '../../text/tokenizer-json.js';
import { idLimit, tokenTypeFor, type WrittenTokenType } from '../indexed/token-types.js';

/** What is one document of a text file. */
export const documentsByChoices = ['file', 'blank-line', 'line'] as const;
export type DocumentsBy = (typeof documentsByChoices)[number];

export interface PreprocessOptions {
  /** Files of documents (`.jsonl`, `.json`, `.txt`, with `.gz` or `.zst` after it, or `.parquet`), and folders of them. */
  readonly input: readonly string[];
  /** A model folder, or the name of a model on the hub. */
  readonly tokenizer: string;
  /** `PREFIX_KEY_sentence.bin` and `.idx` are written where sentences are split, or else `PREFIX_KEY_document`. */
  readonly outputPrefix: string;
  /** Fields of JSON or columns of parquet, each of which becomes a data set; `text` by default. */
  readonly jsonKeys?: readonly string[];
  /** Makes a sequence of each sentence; false by default. */
  readonly splitSentences?: boolean;
  /** For splitting sentences, such as `de`; `en` by default. */
  readonly language?: string;
  /** Of text files; `file` by default. */
  readonly documentsBy?: DocumentsBy;
  /** Tokens of a sequence; longer sentences and documents become several. Any number by default. */
  readonly longestSequence?: number;
  /** Ends each document with a token: `<|endoftext|>`, `[EOS]` or else `[SEP]`. */
  readonly appendEod?: boolean;
  /** As Megatron-LM chooses for the vocabulary by default. */
  readonly dtype?: WrittenTokenType;
  /** Threads that tokenize; one for each processor by default. */
  readonly workers?: number;
  readonly onProgress?: (progress: PreprocessProgress) => void;
}

export interface PreprocessProgress {
  /** Bytes of the inputs. */
  readonly done: number;
  readonly total: number;
}

/** What a data set follows from, besides the inputs and the tokenizer; plain data. */
export interface EncodingOptions {
  readonly keys: readonly string[];
  /** Of the language whose sentences are split. */
  readonly sentences: string | null;
  readonly documentsBy: DocumentsBy;
  /** Tokens of a sequence. */
  readonly longest: number | null;
  /** The token that ends documents. */
  readonly endOfDocument: number | null;
  readonly dtype: WrittenTokenType;
}

/** @throws InputError naming the option that cannot be used */
export function resolveEncoding(options: PreprocessOptions, tokenizer: AnyTokenizer): EncodingOptions {
  const {
    jsonKeys = ['text'],
    splitSentences = false,
    language = 'en',
    documentsBy = 'file',
    longestSequence = null,
  } = options;
  const { vocabSize } = tokenizer;
  const dtype = options.dtype ?? tokenTypeFor(vocabSize);
  if (vocabSize > idLimit[dtype])
    throw new InputError(`dtype: expected int32 for a vocabulary of ${vocabSize}, found ${dtype}`);
  if (!documentsByChoices.includes(documentsBy))
    throw new InputError(
      `documents by: expected ${documentsByChoices.join(', ')}, found ${shown(documentsBy)}`,
    );
  if (longestSequence !== null && !(Number.isInteger(longestSequence) && longestSequence > 1))
    throw new InputError(`longest sequence: expected 2 tokens or more, found ${longestSequence}`);
  requireKeys(jsonKeys);
  requireLanguage(language);
  return {
    keys: jsonKeys,
    sentences: splitSentences ? language : null,
    documentsBy,
    longest: longestSequence,
    endOfDocument: options.appendEod ? endOfDocument(tokenizer) : null,
    dtype,
  };
}

export function resolveWorkers(workers = availableParallelism()): number {
  if (!Number.isInteger(workers) || workers < 1)
    throw new InputError(`workers: expected a positive integer, found ${workers}`);
  return workers;
}

function requireKeys(keys: readonly string[]): void {
  if (keys.length === 0) throw new InputError('JSON keys: expected at least one, found none');
  for (const [i, key] of keys.entries()) {
    if (keys.indexOf(key) < i) throw new InputError(`JSON keys: ${shown(key)} is there twice`);
    // it is a part of the outputs' names
    if (key === '' || /[/\\\0]/.test(key))
      throw new InputError(`JSON keys: expected names without slashes, found ${shown(key)}`);
  }
}

function requireLanguage(language: string): void {
  try {
    if (Intl.Segmenter.supportedLocalesOf(language).length > 0) return;
  } catch {
    // not the form of a language
  }
  throw new InputError(`language: expected one such as en, de or sv, found ${shown(language)}`);
}

/** BERT's tokenizers have no token of that name, and end texts with `[SEP]`. */
function endOfDocument({ vocab, tokens }: AnyTokenizer): number {
  const named = ['<|endoftext|>', '[EOS]'].map((token) => vocab.indexOf(token)).find((id) => id >= 0);
  return named ?? ('sep' in tokens ? tokens.sep : tokens.eos);
}
