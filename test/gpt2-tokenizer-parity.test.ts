/** What transformers' GPT2TokenizerFast makes of texts (parity/make_gpt2_tokenizer_fixtures.py), made again. */
import { cp, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { TokenizeOptions } from '../src/text/batch.js';
import type { EncodedText } from '../src/text/encoding.js';
import { createGpt2Tokenizer } from '../src/text/gpt2-tokenizer.js';
import type { DecodeOptions, TextOrWords } from '../src/text/text-tokenizer.js';
import { readAnyTokenizer, readTokenizer, writeTokenizer } from '../src/text/tokenizer-files.js';
import type { AnyTokenizer } from '../src/text/tokenizer-json.js';
import { codePointOffsets, fixture, readGzippedJson } from './support/fixture.js';
import { temporaryFolder } from './support/workspace.js';

interface Case {
  readonly tokenizer: string;
  readonly text: TextOrWords | readonly string[];
  readonly pair: string | null;
  readonly options: TokenizeOptions;
  readonly encodings: readonly {
    readonly ids: readonly number[];
    readonly types: readonly number[];
    readonly attention: readonly number[];
    readonly special: readonly number[];
    /** in code points */
    readonly offsets: readonly (readonly [number, number])[];
    readonly words: readonly (number | null)[];
    readonly sequences: readonly (number | null)[];
    readonly sample: number;
  }[];
}

const { cases, decoded } = readGzippedJson('gpt2-tokenizer/cases.json.gz') as {
  readonly cases: readonly Case[];
  readonly decoded: readonly {
    readonly tokenizer: string;
    readonly ids: readonly number[];
    readonly options: DecodeOptions;
    readonly text: string;
  }[];
};
const savedIn = (name: string) => fixture(`gpt2-tokenizer/${name}`);

function check(tokenizer: AnyTokenizer, { text, pair, options, encodings }: Case): void {
  const where = JSON.stringify([text, pair, options]).slice(0, 400);
  const found = tokenizer(text, {
    ...options,
    ...(pair !== null && { text_pair: pair }),
    return_offsets_mapping: true,
    return_special_tokens_mask: true,
  });
  const offsets = encodings.map((encoding) =>
    encoding.offsets.map(([start, end], i) => {
      const sequence = encoding.sequences[i];
      if (sequence == null) return [start, end];
      const own = options.is_split_into_words
        ? text[encoding.words[i]!]!
        : typeof text === 'string'
          ? text
          : text[encoding.sample]!;
      const convert = codePointOffsets(sequence === 0 ? own : pair!);
      return [convert(start), convert(end)];
    }),
  );
  expect(found, where).toMatchObject({
    input_ids: encodings.map(({ ids }) => ids),
    token_type_ids: encodings.map(({ types }) => types),
    attention_mask: encodings.map(({ attention }) => attention),
    special_tokens_mask: encodings.map(({ special }) => special),
    offset_mapping: offsets,
    ...(options.return_overflowing_tokens && {
      overflow_to_sample_mapping: encodings.map(({ sample }) => sample),
    }),
  });
  if (options.padding) return;
  const windows = tokenizer.encodeWindows(text, pair, options);
  const numbers = (name: 'word_ids' | 'sequence_ids') =>
    windows.slice(0, encodings.length).map((window: EncodedText) => window[name]);
  expect(numbers('word_ids'), where).toEqual(encodings.map(({ words }) => words));
  expect(numbers('sequence_ids'), where).toEqual(encodings.map(({ sequences }) => sequences));
}

test('over 500 texts', () => {
  expect(new Set(cases.map(({ text }) => JSON.stringify(text))).size).toBeGreaterThan(500);
});

describe.each(['plain', 'prefix'])('%s', (name) => {
  const root = temporaryFolder();
  const own = cases.filter(({ tokenizer }) => tokenizer === name);

  test(`${own.length} encodings`, async () => {
    const tokenizer = await readAnyTokenizer(savedIn(name));
    for (const one of own) check(tokenizer, one);
  });

  test('the same of what is written again', async () => {
    const folder = path.join(root, name);
    await writeTokenizer(folder, await readAnyTokenizer(savedIn(name)));
    const tokenizer = await readAnyTokenizer(folder);
    for (const one of own) check(tokenizer, one);
  });

  test('decoding', async () => {
    const tokenizer = await readAnyTokenizer(savedIn(name));
    for (const { ids, options, text } of decoded.filter((one) => one.tokenizer === name))
      expect(tokenizer.decode(ids, options), JSON.stringify(ids)).toBe(text);
  });
});

describe('a vocabulary of bytes', () => {
  const root = temporaryFolder();

  test('from vocab.json and merges.txt alone', async () => {
    const folder = path.join(root, 'alone');
    await mkdir(folder);
    for (const file of ['vocab.json', 'merges.txt'])
      await cp(path.join(savedIn('plain'), file), path.join(folder, file));
    const tokenizer = await readAnyTokenizer(folder);
    for (const one of cases) if (one.tokenizer === 'plain') check(tokenizer, one);
  });

  test('is refused where BERT is asked for, and where a byte or a merged token is missing', async () => {
    await expect(readTokenizer(savedIn('plain'))).rejects.toThrow(
      'expected a WordPiece tokenizer, found BPE',
    );
    const { vocab } = await readAnyTokenizer(savedIn('plain'));
    expect(() => createGpt2Tokenizer({ vocab: vocab.slice(0, 100), merges: [] })).toThrow('all 256 bytes');
    expect(() => createGpt2Tokenizer({ vocab, merges: [['!', '☺']] })).toThrow('found no "☺"');
  });

  test('makes every text again, also one word of a million characters', async () => {
    const tokenizer = await readAnyTokenizer(savedIn('plain'));
    for (const text of ['whale'.repeat(200_000), 'a\u0301漢😀\n\t <|endoftext|>\ufeff'])
      expect(tokenizer.decode(tokenizer.tokenize(text))).toBe(text);
  });
});
