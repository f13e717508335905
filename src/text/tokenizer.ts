import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { InputError } from '../errors.js';
import { bertNormalizerConfig } from './bert-words.js';
import { bertSpecialTokens, type BertSpecialToken } from './wordpiece-trainer.js';

/** What a model takes for one text or pair of texts, special tokens included. */
export interface EncodedText {
  readonly input_ids: number[];
  readonly token_type_ids: number[];
  readonly attention_mask: number[];
}

export interface SpecialTokenIds {
  readonly pad: number;
  readonly unk: number;
  readonly cls: number;
  readonly sep: number;
  readonly mask: number;
}

/** BERT's WordPiece tokenizer. */
export interface Tokenizer {
  /** Pieces by id. */
  readonly vocab: readonly string[];
  readonly vocabSize: number;
  readonly lowercase: boolean;
  readonly tokens: SpecialTokenIds;
  /** `[CLS] text [SEP]`, or `[CLS] text [SEP] pair [SEP]`. */
  encode(text: string, pair?: string): EncodedText;
  /** Ids without special tokens. */
  tokenize(text: string): number[];
  /** Text without special tokens. */
  decode(ids: readonly number[]): string;
  /** Whether a piece goes on with the word before it (`##…`). */
  isContinuation(id: number): boolean;
}

export interface TokenizerOptions {
  /** Pieces by id. */
  readonly vocab: readonly string[];
  /** Whether texts lose case and accents. */
  readonly lowercase: boolean;
}

/** @throws InputError where the vocabulary is empty, repeats a piece or lacks a special token */
export function createTokenizer(options: TokenizerOptions): Tokenizer {
  return tokenizerFrom('the vocabulary', options);
}

function tokenizerFrom(source: string, { vocab, lowercase }: TokenizerOptions): Tokenizer {
  const ids = numberPieces(vocab, source);
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
  const tokenizer = new HuggingFaceTokenizer(
    tokenizerJson(vocab, lowercase),
    tokenizerConfig(lowercase, 512),
  );
  return {
    vocab,
    vocabSize: vocab.length,
    lowercase,
    tokens,
    encode(text, pair) {
      const encoded = tokenizer.encode(text, { text_pair: pair ?? null, return_token_type_ids: true });
      return {
        input_ids: encoded.ids,
        token_type_ids: encoded.token_type_ids,
        attention_mask: encoded.attention_mask,
      };
    },
    tokenize: (text) => tokenizer.encode(text, { add_special_tokens: false }).ids,
    decode: (given) => tokenizer.decode([...given], { skip_special_tokens: true }),
    isContinuation: (id) => vocab[id]?.startsWith('##') ?? false,
  };
}

/**
 * Reads `tokenizer.json`, or else `vocab.txt` with the case of `tokenizer_config.json`.
 * @throws InputError naming the file and what is wrong in it
 */
export async function readTokenizer(folder: string): Promise<Tokenizer> {
  const text = await readIfThere(path.join(folder, 'tokenizer.json'));
  if (text !== undefined) return fromTokenizerJson(path.join(folder, 'tokenizer.json'), text);

  const file = path.join(folder, 'vocab.txt');
  const lines = await readIfThere(file);
  if (lines === undefined)
    throw new InputError(`no tokenizer in ${folder}: it has neither tokenizer.json nor vocab.txt`);
  const config = parseJson(
    path.join(folder, 'tokenizer_config.json'),
    (await readIfThere(path.join(folder, 'tokenizer_config.json'))) ?? '{}',
  );
  const vocab = lines.replace(/\r?\n$/, '').split(/\r?\n/);
  return tokenizerFrom(file, { vocab, lowercase: config.do_lower_case !== false });
}

function fromTokenizerJson(file: string, text: string): Tokenizer {
  const { model, normalizer } = parseJson(file, text) as TokenizerJson;
  // files of 2021 may lack the type; only WordPiece bounds the length of a word
  const type = model?.type ?? (model?.max_input_chars_per_word && 'WordPiece');
  if (type !== 'WordPiece' || typeof model?.vocab !== 'object' || model.vocab === null)
    throw new InputError(`${file}: expected a WordPiece model, found ${type ?? 'none'}`);
  const vocab: string[] = [];
  const pieces = Object.entries(model.vocab);
  for (const [piece, id] of pieces) {
    if (!Number.isInteger(id) || id < 0 || id >= pieces.length || vocab[id] !== undefined)
      throw new InputError(`${file}: the id of "${piece}": expected each of 0, 1, 2 … once, found ${id}`);
    vocab[id] = piece;
  }
  return tokenizerFrom(file, { vocab, lowercase: normalizer?.lowercase !== false });
}

interface TokenizerJson {
  readonly model?: {
    readonly type?: string;
    readonly max_input_chars_per_word?: number;
    readonly vocab?: Readonly<Record<string, number>> | null;
  };
  readonly normalizer?: { readonly lowercase?: boolean } | null;
}

export interface WriteTokenizerOptions {
  /** Tokens of the longest text that the model takes, special ones included. */
  readonly modelMaxLength?: number;
}

/** Writes the files that transformers reads: vocab.txt, tokenizer.json, tokenizer_config.json. */
export async function writeTokenizer(
  folder: string,
  { vocab, lowercase }: Tokenizer,
  { modelMaxLength = 512 }: WriteTokenizerOptions = {},
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const write = (name: string, text: string) => writeFile(path.join(folder, name), `${text}\n`);
  await write('vocab.txt', vocab.join('\n'));
  await write('tokenizer.json', JSON.stringify(tokenizerJson(vocab, lowercase), null, 2));
  await write('tokenizer_config.json', JSON.stringify(tokenizerConfig(lowercase, modelMaxLength), null, 2));
}

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

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new InputError(`cannot read ${file}: ${(error as Error).message}`);
  }
}

function parseJson(file: string, text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch (error) {
    throw new InputError(`${file} is not JSON: ${(error as Error).message}`);
  }
  throw new InputError(`${file}: expected a JSON object`);
}

function tokenizerConfig(lowercase: boolean, modelMaxLength: number) {
  const [pad_token, unk_token, cls_token, sep_token, mask_token] = bertSpecialTokens;
  return {
    tokenizer_class: 'BertTokenizer',
    do_lower_case: lowercase,
    strip_accents: null,
    tokenize_chinese_chars: true,
    model_max_length: modelMaxLength,
    clean_up_tokenization_spaces: true,
    ...{ pad_token, unk_token, cls_token, sep_token, mask_token },
  };
}

function tokenizerJson(vocab: readonly string[], lowercase: boolean) {
  const ids = new Map(vocab.map((piece, id) => [piece, id]));
  const place = (id: 'A' | 'B', type_id: number) => ({ Sequence: { id, type_id } });
  const special = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } });
  const described = (id: string) => [id, { id, ids: [ids.get(id)], tokens: [id] }] as const;
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: bertSpecialTokens.map((content) => ({
      id: ids.get(content),
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: bertNormalizerConfig(lowercase),
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [special('[CLS]', 0), place('A', 0), special('[SEP]', 0)],
      pair: [special('[CLS]', 0), place('A', 0), special('[SEP]', 0), place('B', 1), special('[SEP]', 1)],
      special_tokens: Object.fromEntries([described('[CLS]'), described('[SEP]')]),
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(ids),
    },
  };
}
