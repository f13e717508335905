/** What every tokenizer does once it can make pieces of a text. */
import { InputError } from '../errors.js';
import type { AddedToken } from './added-tokens.js';
import { encodeBatch, type BatchEncoding, type TokenizeOptions } from './batch.js';
import { assemble, type EncodedText } from './encoding.js';
import type { Pieces } from './pieces.js';
import { truncate, type Truncation, type TruncationStrategy } from './truncation.js';

/** A text, or the words of one. */
export type TextOrWords = string | readonly string[];

/** Of transformers' tokenizers, by the same names. */
export interface EncodeOptions {
  /** Puts `[CLS]` and `[SEP]` around texts; true by default. */
  readonly add_special_tokens?: boolean;
  /** Whether texts are cut to `max_length`, and which of two; `true` is `longest_first`. They are where a `max_length` is given, by default. */
  readonly truncation?: boolean | TruncationStrategy | 'do_not_truncate';
  /** Tokens, special ones included; `model_max_length` by default. */
  readonly max_length?: number;
  /** Tokens that each window of a cut text repeats of the one before; 0 by default. */
  readonly stride?: number;
}

export interface DecodeOptions {
  /** False by default. */
  readonly skip_special_tokens?: boolean;
  /** Takes out the space before `.`, `n't` and the like; as in tokenizer_config.json by default. */
  readonly clean_up_tokenization_spaces?: boolean;
}

/** A call encodes a batch, as that of transformers' tokenizers does. */
export interface TextTokenizer {
  (texts: TextOrWords | readonly TextOrWords[], options?: TokenizeOptions): BatchEncoding;
  /** Tokens by id, added ones included. */
  readonly vocab: readonly string[];
  readonly vocabSize: number;
  readonly added_tokens: readonly AddedToken[];
  /** Tokens of the longest text that the model takes; infinite where nobody says. */
  readonly model_max_length: number;
  readonly padding_side: 'left' | 'right';
  /** A text with a model's special tokens, or a pair with them. A list is the words of one text. */
  encode(text: TextOrWords, pair?: TextOrWords | null, options?: EncodeOptions): EncodedText;
  /** The same for all windows of a text that is cut: what `encode` gives is the first. */
  encodeWindows(text: TextOrWords, pair?: TextOrWords | null, options?: EncodeOptions): EncodedText[];
  /** Ids without special tokens. */
  tokenize(text: string): number[];
  decode(ids: readonly number[], options?: DecodeOptions): string;
  /** Joins pieces to words. */
  convert_tokens_to_string(tokens: readonly string[]): string;
}

/** Of every kind of tokenizer. */
export interface CommonOptions {
  /** Pieces by id. */
  readonly vocab: readonly string[];
  /** Besides the model's special tokens. */
  readonly added_tokens?: readonly AddedToken[];
  readonly model_max_length?: number;
  readonly padding_side?: 'left' | 'right';
  readonly clean_up_tokenization_spaces?: boolean;
  /** For errors. */
  readonly source?: string;
}

/** What one kind of tokenizer has of its own. */
interface Kind {
  /** Special ones included. */
  readonly added_tokens: readonly AddedToken[];
  readonly piecesOf: (text: string) => Pieces;
  /** What stands around texts; null for nothing. */
  readonly around: { readonly cls: number; readonly sep: number } | null;
  /** The token of padding. */
  readonly pad: number | undefined;
  readonly join: (tokens: string[]) => string;
}

export function createTextTokenizer(
  { model_max_length = Infinity, padding_side = 'right', ...options }: CommonOptions,
  { added_tokens, piecesOf, around, pad, join }: Kind,
): TextTokenizer {
  const vocab = [...options.vocab];
  for (const { id, content } of added_tokens) vocab[id] ??= content;
  const piecesOfText = (text: TextOrWords) =>
    typeof text === 'string' ? piecesOf(text) : joinWords(text.map(piecesOf));

  const encodeWindows = (text: TextOrWords, pair?: TextOrWords | null, given: EncodeOptions = {}) => {
    const texts = (pair == null ? [text] : [text, pair]).map(piecesOfText);
    const special = (given.add_special_tokens ?? true) ? around : null;
    const truncation = resolveTruncation(given, special ? texts.length + 1 : 0, model_max_length);
    const lengths = texts.map((pieces) => pieces.ids.length);
    return truncate(lengths, truncation).map((windows) => assemble(texts, windows, special));
  };
  const encode = (text: TextOrWords, pair?: TextOrWords | null, given: EncodeOptions = {}) =>
    encodeWindows(text, pair, given)[0]!;

  const specialIds = new Set(added_tokens.flatMap(({ id, special: isSpecial }) => (isSpecial ? [id] : [])));
  const decode = (
    given: readonly number[],
    { skip_special_tokens = false, ...cleaning }: DecodeOptions = {},
  ) => {
    const kept = skip_special_tokens ? given.filter((id) => !specialIds.has(id)) : given;
    const text = join(kept.flatMap((id) => vocab[id] ?? []));
    const cleans = cleaning.clean_up_tokenization_spaces ?? options.clean_up_tokenization_spaces ?? false;
    return cleans ? cleanUp(text) : text;
  };

  const core = {
    vocab,
    vocabSize: vocab.length,
    added_tokens,
    model_max_length,
    padding_side,
    encode,
    encodeWindows,
    tokenize: (text: string) => piecesOf(text).ids,
    decode,
    convert_tokens_to_string: (pieces: readonly string[]) => join([...pieces]),
  };
  return Object.assign(
    (texts: TextOrWords | readonly TextOrWords[], given: TokenizeOptions = {}) =>
      encodeBatch({ ...core, pad }, texts, given),
    core,
  );
}

/** The pieces of words as those of one text: words keep their numbers, places are those in a word. */
function joinWords(words: readonly Pieces[]): Pieces {
  return {
    ids: words.flatMap(({ ids }) => ids),
    starts: words.flatMap(({ starts }) => starts),
    ends: words.flatMap(({ ends }) => ends),
    words: words.flatMap(({ ids }, word) => ids.map(() => word)),
  };
}

function resolveTruncation(
  { max_length, stride = 0, truncation = max_length !== undefined }: EncodeOptions,
  specialCount: number,
  model_max_length: number,
): Truncation | undefined {
  if (truncation === false || truncation === 'do_not_truncate') return undefined;
  const strategy = truncation === true ? 'longest_first' : truncation;
  if (!['longest_first', 'only_first', 'only_second'].includes(strategy))
    throw new InputError(
      `truncation: expected longest_first, only_first or only_second, found ${JSON.stringify(truncation)}`,
    );
  const length = max_length ?? model_max_length;
  if (!(length >= specialCount))
    throw new InputError(`max_length: expected at least the ${specialCount} special tokens, found ${length}`);
  // as transformers has it, whether or not there are special tokens
  if (!(stride >= 0) || (stride > 0 && stride > length - 2))
    throw new InputError(
      `stride: expected fewer tokens than those of a text of ${length} with its special ones, found ${stride}`,
    );
  return { strategy, room: length - specialCount, stride };
}

/** As Python's `clean_up_tokenization`. */
const cleanUp = (text: string) => text.replaceAll(" ' ", "'").replace(/ ([.?!,]|n't|'m|'s|'ve|'re)/g, '$1');
