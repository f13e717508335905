/** The files of a tokenizer, as texts. */
import { parseJsonObject } from '../checkpoint/json-object.js';
import { InputError } from '../errors.js';
import type { ReadTextFile } from '../hub/text-files.js';
import type { AddedToken } from './added-tokens.js';
import { bertNormalizer, type BertNormalizer } from './bert-words.js';
import { continuation } from './pieces.js';
import {
  gpt2FromFiles,
  gpt2FromTokenizerJson,
  gpt2TokenizerFiles,
  type Gpt2Config,
  type Gpt2TokenizerJson,
} from './gpt2-tokenizer-json.js';
import { createGpt2Tokenizer, type Gpt2Tokenizer } from './gpt2-tokenizer.js';
import { createTokenizer, type Tokenizer, type TokenizerOptions } from './tokenizer.js';
import { tokensById, withoutAdded } from './vocabulary.js';
import { bertSpecialTokens } from './wordpiece-trainer.js';

/** Bytes of a tokenizer.json: those with the most pieces have a quarter of it. */
const largestFile = 2 ** 26;

/**
 * Reads `tokenizer.json`, or else `vocab.txt`; `tokenizer_config.json` says what is otherwise than in BERT.
 *
 * @param source named in errors
 * @throws InputError naming the file and what is wrong in it
 */
export async function parseTokenizer(read: ReadTextFile, source: string): Promise<Tokenizer> {
  const tokenizer = await parseAnyTokenizer(read, source);
  if (tokenizer.type !== 'WordPiece')
    throw new InputError(`${source}: expected a WordPiece tokenizer, found ${tokenizer.type}`);
  return tokenizer;
}

/** The same for tokenizers of any kind; of GPT-2's also `vocab.json` and `merges.txt`. */
export async function parseAnyTokenizer(read: ReadTextFile, source: string): Promise<AnyTokenizer> {
  const readAll = (...names: string[]) => Promise.all(names.map((name) => read(name, largestFile)));
  const [json, vocab, config] = await readAll('tokenizer.json', 'vocab.txt', 'tokenizer_config.json');
  const fields = config ? (parseJsonObject(config.file, config.text) as TokenizerConfig) : {};
  if (json) {
    const content = parseJsonObject(json.file, json.text) as TokenizerJson & Gpt2TokenizerJson;
    return content.model?.type === 'BPE'
      ? createGpt2Tokenizer({ ...fromConfig(fields), ...gpt2FromTokenizerJson(json.file, content, fields) })
      : createTokenizer({ ...fromConfig(fields), ...fromTokenizerJson(json.file, content, fields) });
  }
  if (!vocab) {
    const [ids, merges] = await readAll('vocab.json', 'merges.txt');
    if (!ids || !merges)
      throw new InputError(
        `no tokenizer in ${source}: it has neither tokenizer.json nor vocab.txt, nor vocab.json with merges.txt`,
      );
    return createGpt2Tokenizer({ ...fromConfig(fields), ...gpt2FromFiles(ids, merges, fields) });
  }
  return createTokenizer({
    ...fromConfig(fields),
    vocab: vocab.text.replace(/\r?\n$/, '').split(/\r?\n/),
    normalizer: withConfig(bertNormalizer(true), fields),
    source: vocab.file,
  });
}

export type AnyTokenizer = Tokenizer | Gpt2Tokenizer;

/** What is used of tokenizer_config.json. */
interface TokenizerConfig extends Gpt2Config {
  readonly do_lower_case?: boolean;
  readonly strip_accents?: boolean | null;
  readonly tokenize_chinese_chars?: boolean;
  readonly model_max_length?: number;
  readonly padding_side?: string;
  readonly clean_up_tokenization_spaces?: boolean;
  readonly added_tokens_decoder?: Readonly<Record<string, Omit<AddedToken, 'id'>>>;
}

/** Where transformers wrote that it does not know. */
const unlimited = 1e20;

function fromConfig(config: TokenizerConfig): Partial<TokenizerOptions> {
  const { model_max_length, padding_side, clean_up_tokenization_spaces, added_tokens_decoder } = config;
  return {
    ...(typeof model_max_length === 'number' && model_max_length < unlimited && { model_max_length }),
    ...(padding_side === 'left' && { padding_side }),
    ...(typeof clean_up_tokenization_spaces === 'boolean' && { clean_up_tokenization_spaces }),
    ...(added_tokens_decoder && {
      added_tokens: Object.entries(added_tokens_decoder).map(([id, token]) => ({ ...token, id: Number(id) })),
    }),
  };
}

/** transformers lets the configuration decide over tokenizer.json. */
function withConfig(
  normalizer: BertNormalizer,
  { do_lower_case, strip_accents, tokenize_chinese_chars }: TokenizerConfig,
): BertNormalizer {
  return {
    ...normalizer,
    ...(typeof do_lower_case === 'boolean' && { lowercase: do_lower_case }),
    ...(strip_accents !== undefined && { strip_accents }),
    ...(typeof tokenize_chinese_chars === 'boolean' && { handle_chinese_chars: tokenize_chinese_chars }),
  };
}

/** What is used of tokenizer.json. */
interface TokenizerJson {
  readonly added_tokens?: readonly AddedToken[];
  readonly normalizer?: Partial<BertNormalizer> | null;
  readonly model?: {
    readonly type?: string;
    readonly max_input_chars_per_word?: number;
    readonly vocab?: Readonly<Record<string, number>> | null;
  };
}

function fromTokenizerJson(
  file: string,
  { model, normalizer, added_tokens = [] }: TokenizerJson,
  config: TokenizerConfig,
): TokenizerOptions {
  // files of 2021 may lack the type; only WordPiece bounds the length of a word
  const type = model?.type ?? (model?.max_input_chars_per_word && 'WordPiece');
  if (type !== 'WordPiece' || typeof model?.vocab !== 'object' || model.vocab === null)
    throw new InputError(`${file}: expected a WordPiece or BPE model, found ${type ?? 'none'}`);
  const vocab = tokensById(file, model.vocab);
  return {
    vocab,
    normalizer: withConfig({ ...bertNormalizer(true), ...normalizer }, config),
    added_tokens,
    ...(model.max_input_chars_per_word && { max_input_chars_per_word: model.max_input_chars_per_word }),
    source: file,
  };
}

/** The files that transformers reads, by name. */
export function tokenizerFiles(tokenizer: AnyTokenizer, modelMaxLength: number): ReadonlyMap<string, string> {
  if (tokenizer.type === 'BPE') return gpt2TokenizerFiles(tokenizer, modelMaxLength);
  const { vocab, added_tokens, tokens } = tokenizer;
  const pieces = withoutAdded(vocab, added_tokens, Object.values<number>({ ...tokens }));
  const texts = {
    'vocab.txt': pieces.join('\n'),
    'tokenizer.json': JSON.stringify(tokenizerJson(tokenizer, pieces), null, 2),
    'tokenizer_config.json': JSON.stringify(tokenizerConfig(tokenizer.normalizer, modelMaxLength), null, 2),
  };
  return new Map(Object.entries(texts).map(([name, text]) => [name, `${text}\n`]));
}

function tokenizerConfig(normalizer: BertNormalizer, model_max_length: number): object {
  const [pad_token, unk_token, cls_token, sep_token, mask_token] = bertSpecialTokens;
  return {
    tokenizer_class: 'BertTokenizer',
    do_lower_case: normalizer.lowercase,
    strip_accents: normalizer.strip_accents,
    tokenize_chinese_chars: normalizer.handle_chinese_chars,
    model_max_length,
    clean_up_tokenization_spaces: true,
    ...{ pad_token, unk_token, cls_token, sep_token, mask_token },
  };
}

function tokenizerJson({ tokens, added_tokens, normalizer }: Tokenizer, vocab: readonly string[]) {
  const place = (id: 'A' | 'B', type_id: number) => ({ Sequence: { id, type_id } });
  const special = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } });
  const described = (id: string, token: number) => [id, { id, ids: [token], tokens: [id] }] as const;
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added_tokens.map(({ id, content, ...flags }) => ({ id, content, ...flags })),
    normalizer,
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [special('[CLS]', 0), place('A', 0), special('[SEP]', 0)],
      pair: [special('[CLS]', 0), place('A', 0), special('[SEP]', 0), place('B', 1), special('[SEP]', 1)],
      special_tokens: Object.fromEntries([described('[CLS]', tokens.cls), described('[SEP]', tokens.sep)]),
    },
    decoder: { type: 'WordPiece', prefix: continuation, cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: continuation,
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(vocab.map((piece, id) => [piece, id])),
    },
  };
}
