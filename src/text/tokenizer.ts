import { WordPieceDecoder } from '@huggingface/tokenizers';
import { InputError } from '../errors.js';
import { specialToken, withSpecialTokens, type AddedToken } from './added-tokens.js';
import { bertNormalizer, type BertNormalizer } from './bert-words.js';
import { continuation, createPieces } from './pieces.js';
import { createTextTokenizer, type CommonOptions, type TextTokenizer } from './text-tokenizer.js';
import { numberPieces } from './vocabulary.js';
import { bertSpecialTokens, type BertSpecialToken } from './wordpiece-trainer.js';

export type { DecodeOptions, EncodeOptions, TextOrWords } from './text-tokenizer.js';

export interface SpecialTokenIds {
  readonly pad: number;
  readonly unk: number;
  readonly cls: number;
  readonly sep: number;
  readonly mask: number;
}

/** BERT's WordPiece tokenizer; `encode` gives `[CLS] text [SEP]`, or `[CLS] text [SEP] pair [SEP]`. */
export interface Tokenizer extends TextTokenizer {
  readonly type: 'WordPiece';
  readonly normalizer: BertNormalizer;
  readonly tokens: SpecialTokenIds;
  /** Whether a piece goes on with the word before it (`##…`). */
  isContinuation(id: number): boolean;
}

export interface TokenizerOptions extends CommonOptions {
  /** Whether texts lose their case, and with it accents. */
  readonly lowercase?: boolean;
  readonly normalizer?: BertNormalizer;
  /** Characters of the longest word that is looked for. */
  readonly max_input_chars_per_word?: number;
}

/** @throws InputError where the vocabulary is empty, repeats a piece or lacks a special token */
export function createTokenizer(options: TokenizerOptions): Tokenizer {
  const { source = 'the vocabulary' } = options;
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
  const added_tokens = withSpecialTokens(options.added_tokens ?? [], specialTokens(tokens));
  const piecesOf = createPieces({
    ids,
    unknown: '[UNK]',
    longestWord: options.max_input_chars_per_word ?? 100,
    normalizer,
    added: added_tokens,
  });
  const decoder = new WordPieceDecoder({ type: 'WordPiece', prefix: continuation, cleanup: true });
  const core = createTextTokenizer(options, {
    added_tokens,
    piecesOf,
    around: tokens,
    pad: tokens.pad,
    join: (pieces) => decoder.decode(pieces),
  });
  return Object.assign(core, {
    type: 'WordPiece' as const,
    normalizer,
    tokens,
    isContinuation: (id: number) => core.vocab[id]?.startsWith(continuation) ?? false,
  });
}

const specialTokens = (tokens: SpecialTokenIds): AddedToken[] =>
  bertSpecialTokens.map((content) => {
    const name = content.slice(1, -1).toLowerCase() as keyof SpecialTokenIds;
    return specialToken(tokens[name], content);
  });
