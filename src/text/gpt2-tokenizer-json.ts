/** The files of GPT-2's tokenizers, as texts. */
import { parseJsonObject } from '../checkpoint/json-object.js';
import { InputError } from '../errors.js';
import type { TextFile } from '../hub/text-files.js';
import type { AddedToken } from './added-tokens.js';
import { endOfText, type Gpt2Tokenizer, type Gpt2TokenizerOptions } from './gpt2-tokenizer.js';
import { tokensById, withoutAdded } from './vocabulary.js';

/** What is used of tokenizer_config.json. */
export interface Gpt2Config {
  readonly add_prefix_space?: boolean;
  readonly pad_token?: string | { readonly content: string } | null;
}

interface ByteLevel {
  readonly type?: string;
  readonly add_prefix_space?: boolean;
  readonly trim_offsets?: boolean;
  readonly use_regex?: boolean;
}

/** What is used of tokenizer.json. */
export interface Gpt2TokenizerJson {
  readonly added_tokens?: readonly AddedToken[];
  readonly normalizer?: object | null;
  readonly pre_tokenizer?: ByteLevel | null;
  readonly post_processor?: ByteLevel | null;
  readonly decoder?: ByteLevel | null;
  readonly model?: {
    readonly vocab?: Readonly<Record<string, number>> | null;
    readonly merges?: readonly (string | readonly [string, string])[];
    readonly ignore_merges?: boolean;
  };
}

/** @throws InputError where it is another BPE than GPT-2's, which would make other tokens */
export function gpt2FromTokenizerJson(
  file: string,
  { model, normalizer, pre_tokenizer, post_processor, decoder, added_tokens = [] }: Gpt2TokenizerJson,
  config: Gpt2Config,
): Gpt2TokenizerOptions {
  const require = (name: string, isSo: boolean, expected: string, found: unknown) => {
    if (!isSo) throw new InputError(`${file}: ${name}: expected ${expected}, found ${JSON.stringify(found)}`);
  };
  const isGpt2Pattern = pre_tokenizer?.type === 'ByteLevel' && pre_tokenizer.use_regex !== false;
  require('pre_tokenizer', isGpt2Pattern, "ByteLevel with GPT-2's pattern", pre_tokenizer);
  require('decoder', decoder?.type === 'ByteLevel', 'ByteLevel', decoder);
  require('normalizer', normalizer == null, 'none', normalizer);
  const addsNothing =
    post_processor == null || (post_processor.type === 'ByteLevel' && post_processor.trim_offsets === false);
  require('post_processor', addsNothing, 'ByteLevel with "trim_offsets": false', post_processor);
  require('ignore_merges', !model?.ignore_merges, 'false', true);
  const merges = model?.merges ?? [];
  return {
    vocab: tokensById(file, model?.vocab ?? {}),
    merges: merges.map((merge, i) =>
      pairOf(file, i + 1, typeof merge === 'string' ? merge.split(' ') : merge),
    ),
    add_prefix_space: config.add_prefix_space ?? pre_tokenizer?.add_prefix_space ?? true,
    ...padOf(config),
    added_tokens,
    source: file,
  };
}

/** Of vocab.json and merges.txt, whose first line is its version. */
export function gpt2FromFiles(vocab: TextFile, merges: TextFile, config: Gpt2Config): Gpt2TokenizerOptions {
  const lines = merges.text.split(/\r?\n/).map((line, i) => [line, i + 1] as const);
  const pairs = lines.filter(
    ([line, number]) => line !== '' && !(number === 1 && line.startsWith('#version')),
  );
  return {
    vocab: tokensById(vocab.file, parseJsonObject(vocab.file, vocab.text) as Record<string, number>),
    merges: pairs.map(([line, number]) => pairOf(merges.file, number, line.split(' '))),
    add_prefix_space: config.add_prefix_space ?? false,
    ...padOf(config),
    source: vocab.file,
  };
}

function pairOf(file: string, number: number, parts: readonly string[]): readonly [string, string] {
  const [left, right] = parts;
  if (parts.length !== 2 || !left || !right)
    throw new InputError(`${file}: merge ${number}: expected two tokens, found ${JSON.stringify(parts)}`);
  return [left, right];
}

function padOf({ pad_token }: Gpt2Config): { readonly pad_token?: string } {
  if (pad_token == null) return {};
  return { pad_token: typeof pad_token === 'string' ? pad_token : pad_token.content };
}

/** The files that transformers reads, by name. */
export function gpt2TokenizerFiles(
  tokenizer: Gpt2Tokenizer,
  model_max_length: number,
): ReadonlyMap<string, string> {
  const { vocab: all, merges, added_tokens, add_prefix_space, tokens } = tokenizer;
  const pieces = withoutAdded(all, added_tokens, [tokens.eos]);
  const vocab = Object.fromEntries(pieces.map((token, id) => [token, id]));
  const byteLevel = { type: 'ByteLevel', add_prefix_space, trim_offsets: false, use_regex: true };
  const json = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added_tokens.map(({ id, content, ...flags }) => ({ id, content, ...flags })),
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: byteLevel,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges,
    },
  };
  const config = {
    tokenizer_class: 'GPT2Tokenizer',
    add_prefix_space,
    model_max_length,
    clean_up_tokenization_spaces: false,
    ...{ bos_token: endOfText, eos_token: endOfText, unk_token: endOfText },
    ...(tokens.pad !== undefined && { pad_token: all[tokens.pad] }),
  };
  return new Map([
    ['vocab.json', `${JSON.stringify(vocab)}\n`],
    ['merges.txt', ['#version: 0.2', ...merges.map((pair) => pair.join(' ')), ''].join('\n')],
    ['tokenizer.json', `${JSON.stringify(json, null, 2)}\n`],
    ['tokenizer_config.json', `${JSON.stringify(config, null, 2)}\n`],
  ]);
}
