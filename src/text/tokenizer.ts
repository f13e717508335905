import { WordPieceDecoder } from '@huggingface/tokenizers';
import { InputError } from '../errors.js';
import { specialToken, type AddedToken } from './added-tokens.js';
import { bertNormalizer, type BertNormalizer } from './bert-words.js';
import { encodeBatch, type BatchEncoding, type TokenizeOptions } from './batch.js';
import { assemble, type EncodedText } from './encoding.js';
import { continuation, createPieces, type Pieces } from './pieces.js';
import { truncate, type Truncation, type TruncationStrategy } from './truncation.js';
import { bertSpecialTokens, type BertSpecialToken } from './wordpiece-trainer.js';

export interface SpecialTokenIds {
  readonly pad: number;
  readonly unk: number;
  readonly cls: number;
  readonly sep: number;
  readonly mask: number;
}

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

/** BERT's WordPiece tokenizer. A call encodes a batch, as transformers' does. */
export interface Tokenizer {
  (texts: TextOrWords | readonly TextOrWords[], options?: TokenizeOptions): BatchEncoding;
  /** Tokens by id, added ones included. */
  readonly vocab: readonly string[];
  readonly vocabSize: number;
  readonly normalizer: BertNormalizer;
  readonly added_tokens: readonly AddedToken[];
  readonly tokens: SpecialTokenIds;
  /** Tokens of the longest text that the model takes; infinite where nobody says. */
  readonly model_max_length: number;
  readonly padding_side: 'left' | 'right';
  /** `[CLS] text [SEP]`, or `[CLS] text [SEP] pair [SEP]`. A list is the words of one text. */
  encode(text: TextOrWords, pair?: TextOrWords | null, options?: EncodeOptions): EncodedText;
  /** The same for all windows of a text that is cut: what `encode` gives is the first. */
  encodeWindows(text: TextOrWords, pair?: TextOrWords | null, options?: EncodeOptions): EncodedText[];
  /** Ids without special tokens. */
  tokenize(text: string): number[];
  decode(ids: readonly number[], options?: DecodeOptions): string;
  /** Joins pieces to words. */
  convert_tokens_to_string(tokens: readonly string[]): string;
  /** Whether a piece goes on with the word before it (`##…`). */
  isContinuation(id: number): boolean;
}

export interface TokenizerOptions {
  /** Pieces by id. */
  readonly vocab: readonly string[];
  /** Whether texts lose their case, and with it accents. */
  readonly lowercase?: boolean;
  readonly normalizer?: BertNormalizer;
  /** Besides BERT's special tokens. */
  readonly added_tokens?: readonly AddedToken[];
  readonly model_max_length?: number;
  readonly padding_side?: 'left' | 'right';
  readonly clean_up_tokenization_spaces?: boolean;
  /** Characters of the longest word that is looked for. */
  readonly max_input_chars_per_word?: number;
  /** For errors. */
  readonly source?: string;
}

/** @throws InputError where the vocabulary is empty, repeats a piece or lacks a special token */
export function createTokenizer(options: TokenizerOptions): Tokenizer {
  const { source = 'the vocabulary', model_max_length = Infinity, padding_side = 'right' } = options;
  const ids = numberPieces(options.vocab, source);
  const special = (token: BertSpecialToken): number => {
    const id = ids.get(token);
    if (id === undefined) throw new InputError(`${source} has no ${token}`);
    return id;
  };
  const tokens = {
    pad: special('[PAD]'),
    unk: special('[UNK]'),
    cls: special('[CLS]'),
    sep: special('[SEP]'),
    mask: special('[MASK]'),
  };
  const normalizer = options.normalizer ?? bertNormalizer(options.lowercase ?? true);
  const added_tokens = withSpecialTokens(options.added_tokens ?? [], tokens);
  const vocab = [...options.vocab];
  for (const { id, content } of added_tokens) vocab[id] ??= content;
  const piecesOf = createPieces({
    ids,
    unknown: '[UNK]',
    longestWord: options.max_input_chars_per_word ?? 100,
    normalizer,
    added: added_tokens,
  });
  const piecesOfText = (text: TextOrWords) =>
    typeof text === 'string' ? piecesOf(text) : joinWords(text.map(piecesOf));

  const encodeWindows = (text: TextOrWords, pair?: TextOrWords | null, given: EncodeOptions = {}) => {
    const texts = (pair == null ? [text] : [text, pair]).map(piecesOfText);
    const around = (given.add_special_tokens ?? true) ? tokens : null;
    const truncation = resolveTruncation(given, around ? texts.length + 1 : 0, model_max_length);
    const lengths = texts.map((pieces) => pieces.ids.length);
    return truncate(lengths, truncation).map((windows) => assemble(texts, windows, around));
  };
  const encode = (text: TextOrWords, pair?: TextOrWords | null, given: EncodeOptions = {}) =>
    encodeWindows(text, pair, given)[0]!;

  const decoder = new WordPieceDecoder({ type: 'WordPiece', prefix: continuation, cleanup: true });
  const specialIds = new Set(added_tokens.flatMap(({ id, special: isSpecial }) => (isSpecial ? [id] : [])));
  const decode = (
    given: readonly number[],
    { skip_special_tokens = false, ...cleaning }: DecodeOptions = {},
  ) => {
    const kept = skip_special_tokens ? given.filter((id) => !specialIds.has(id)) : given;
    const text = decoder.decode(kept.flatMap((id) => vocab[id] ?? []));
    const cleans = cleaning.clean_up_tokenization_spaces ?? options.clean_up_tokenization_spaces ?? false;
    return cleans ? cleanUp(text) : text;
  };

  const core = {
    vocab,
    vocabSize: vocab.length,
    normalizer,
    added_tokens,
    tokens,
    model_max_length,
    padding_side,
    encode,
    encodeWindows,
    tokenize: (text: string) => piecesOf(text).ids,
    decode,
    convert_tokens_to_string: (pieces: readonly string[]) => decoder.decode([...pieces]),
    isContinuation: (id: number) => vocab[id]?.startsWith(continuation) ?? false,
  };
  return Object.assign(
    (texts: TextOrWords | readonly TextOrWords[], given: TokenizeOptions = {}) =>
      encodeBatch(core, texts, given),
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

/** BERT's special tokens are found in texts like any that was added. */
function withSpecialTokens(added: readonly AddedToken[], tokens: SpecialTokenIds): AddedToken[] {
  const special = bertSpecialTokens.map((content): AddedToken => {
    const name = content.slice(1, -1).toLowerCase() as keyof SpecialTokenIds;
    return specialToken(tokens[name], content);
  });
  const known = new Set(added.map(({ content }) => content));
  return [...special.filter(({ content }) => !known.has(content)), ...added].sort((a, b) => a.id - b.id);
}

/** As Python's `clean_up_tokenization`. */
const cleanUp = (text: string) => text.replaceAll(" ' ", "'").replace(/ ([.?!,]|n't|'m|'s|'ve|'re)/g, '$1');

/** @throws InputError where `source` is empty or says a piece twice */
function numberPieces(vocab: readonly string[], source: string): Map<string, number> {
  if (vocab.length === 0 || (vocab.length === 1 && vocab[0] === ''))
    throw new InputError(`${source} is empty`);
  const ids = new Map<string, number>();
  vocab.forEach((piece, id) => {
    const first = ids.get(piece);
    if (first !== undefined)
      throw new InputError(`${source}: "${piece}" stands on lines ${first + 1} and ${id + 1}`);
    ids.set(piece, id);
  });
  return ids;
}
