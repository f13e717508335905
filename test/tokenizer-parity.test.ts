/** What transformers' fast BERT tokenizer makes of texts (parity/make_tokenizer_fixtures.py), made again. */
import { cp, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { InputError } from '../src/errors.js';
import { bertNormalizer, normalize, splitWords, type BertNormalizer } from '../src/text/bert-words.js';
import { readTokenizer } from '../src/text/tokenizer-files.js';
import type { TextOrWords, Tokenizer } from '../src/text/tokenizer.js';
import type { TokenizeOptions } from '../src/text/batch.js';
import { codePointOffsets, fixture, readGzippedJson } from './support/fixture.js';
import { temporaryFolder } from './support/workspace.js';

interface ExpectedEncoding {
  readonly input_ids: readonly number[];
  readonly token_type_ids?: readonly number[];
  readonly attention_mask?: readonly number[];
  readonly special_tokens_mask: readonly number[];
  /** start, end, start, end … in code points */
  readonly offsets: readonly number[];
  readonly word_ids: readonly (number | null)[];
  readonly sequence_ids: readonly (number | null)[];
  readonly sample: number;
}

interface Call {
  readonly tokenizer: string;
  readonly text: TextOrWords | readonly TextOrWords[];
  readonly text_pair?: TextOrWords | readonly TextOrWords[];
  readonly options: TokenizeOptions;
}

interface Case extends Call {
  readonly encodings: readonly ExpectedEncoding[];
}

const { transformers, cases, errors, decode } = readGzippedJson('tokenizer/cases.json.gz') as {
  readonly transformers: string;
  readonly cases: readonly Case[];
  readonly errors: readonly (Call & { readonly message: string })[];
  readonly decode: readonly {
    readonly tokenizer: string;
    readonly ids: readonly number[];
    readonly skip_special_tokens: boolean;
    readonly clean_up_tokenization_spaces: boolean;
    readonly text: string;
  }[];
};

const names = [...new Set(cases.map(({ tokenizer }) => tokenizer))];
const savedIn = (name: string) => fixture(`tokenizer/${name}`);

test(`${cases.length} cases of transformers ${transformers}`, () => {
  const texts = new Set(cases.map(({ text }) => JSON.stringify(text)));
  expect(texts.size).toBeGreaterThan(2000);
});

describe.each(names)('%s', (name) => {
  const own = cases.filter(({ tokenizer }) => tokenizer === name);

  test(`${own.length} encodings`, async () => {
    const tokenizer = await readTokenizer(savedIn(name));
    for (const one of own) check(tokenizer, one);
  });

  test('decoding', async () => {
    const tokenizer = await readTokenizer(savedIn(name));
    for (const { ids, text, ...options } of decode.filter((one) => one.tokenizer === name))
      expect(tokenizer.decode(ids, options), JSON.stringify(ids)).toBe(text);
  });
});

describe.each(['uncased', 'cased'])('%s', (name) => {
  const root = temporaryFolder();

  test('from vocab.txt alone, with the case as NVIDIA says it', async () => {
    const folder = path.join(root, name);
    await mkdir(folder);
    await cp(path.join(savedIn(name), 'vocab.txt'), path.join(folder, 'vocab.txt'));
    await writeFile(
      path.join(folder, 'tokenizer_config.json'),
      JSON.stringify({ do_lower_case: name === 'uncased', model_max_length: 512 }),
    );
    const tokenizer = await readTokenizer(folder);
    for (const one of cases) if (one.tokenizer === name) check(tokenizer, one);
  });

  test('what transformers refuses is refused', async () => {
    const tokenizer = await readTokenizer(savedIn(name));
    for (const { text, text_pair, options, message } of errors.filter((one) => one.tokenizer === name))
      expect(
        () => tokenizer(text, { ...options, ...(text_pair !== undefined && { text_pair }) }),
        `${JSON.stringify([text, text_pair, options]).slice(0, 300)} ${message}`,
      ).toThrow(InputError);
  });
});

function check(tokenizer: Tokenizer, { text, text_pair, options, encodings }: Case): void {
  const where = JSON.stringify([text, text_pair, options]).slice(0, 400);
  const { truncation, max_length = Infinity, add_special_tokens = true } = options;
  if (truncation && add_special_tokens && max_length < (text_pair === undefined ? 2 : 3)) {
    // what is left of such a length is below zero in transformers, and the text as long as ever
    expect(() => tokenizer(text, { ...options, ...(text_pair !== undefined && { text_pair }) })).toThrow(
      InputError,
    );
    return;
  }
  const isBatch = Array.isArray(text) && !(options.is_split_into_words && typeof text[0] === 'string');
  const batch = tokenizer(text, {
    ...options,
    ...(text_pair !== undefined && { text_pair }),
    return_offsets_mapping: true,
    return_special_tokens_mask: true,
  });
  expect(batch.input_ids, where).toEqual(encodings.map(({ input_ids }) => input_ids));
  const zeros = (ids: readonly number[]) => ids.map(() => 0);
  const ones = (ids: readonly number[]) => ids.map(() => 1);
  expect(batch.token_type_ids, where).toEqual(
    encodings.map(({ input_ids, token_type_ids }) => token_type_ids ?? zeros(input_ids)),
  );
  expect(batch.attention_mask, where).toEqual(
    encodings.map(({ input_ids, attention_mask }) => attention_mask ?? ones(input_ids)),
  );
  expect(batch.special_tokens_mask, where).toEqual(
    encodings.map(({ special_tokens_mask }) => special_tokens_mask),
  );
  if (options.return_overflowing_tokens)
    expect(batch.overflow_to_sample_mapping, where).toEqual(encodings.map(({ sample }) => sample));
  expect(
    batch.offset_mapping!.map((offsets) => offsets.flat()),
    where,
  ).toEqual(encodings.map((encoding) => utf16Offsets(encoding, text, text_pair, options)));

  if (isBatch || options.padding) return;
  const windows = tokenizer.encodeWindows(
    text as TextOrWords,
    (text_pair?.length ? text_pair : null) as TextOrWords | null,
    options,
  );
  const found = options.return_overflowing_tokens ? windows : windows.slice(0, 1);
  expect(
    found.map(({ word_ids }) => word_ids),
    where,
  ).toEqual(encodings.map(({ word_ids }) => word_ids));
  expect(
    found.map(({ sequence_ids }) => sequence_ids),
    where,
  ).toEqual(encodings.map(({ sequence_ids }) => sequence_ids));
}

/** Python's offsets as JavaScript counts: in the text, or in the word, that a token is of. */
function utf16Offsets(
  { offsets, sequence_ids, word_ids, sample }: ExpectedEncoding,
  text: Call['text'],
  pair: Call['text_pair'],
  { is_split_into_words = false }: TokenizeOptions,
): number[] {
  const textOf = (all: Call['text'], word: number): string => {
    const depth = (value: unknown): number => (Array.isArray(value) ? 1 + depth(value[0]) : 0);
    const isBatch = depth(all) > (is_split_into_words ? 1 : 0);
    const one = (isBatch ? all[sample]! : all) as TextOrWords;
    return typeof one === 'string' ? one : one[word]!;
  };
  return sequence_ids.flatMap((sequence, i) => {
    if (sequence === null) return offsets.slice(2 * i, 2 * i + 2);
    const convert = codePointOffsets(textOf(sequence === 0 ? text : pair!, word_ids[i]!));
    return [convert(offsets[2 * i]!), convert(offsets[2 * i + 1]!)];
  });
}

describe('every character of Unicode is what the Rust tokenizers take it for', () => {
  type Ranges = readonly (readonly [number, number])[];
  const expected = readGzippedJson('tokenizer/code-points.json.gz') as Record<
    'removed' | 'space' | 'chinese' | 'punctuation' | 'whitespace',
    Ranges
  > &
    Record<'stripped' | 'lowercase', Readonly<Record<string, string>>>;
  const nothing: BertNormalizer = {
    ...bertNormalizer(false, false),
    clean_text: false,
    handle_chinese_chars: false,
  };
  const normalized = (fields: Partial<BertNormalizer>) => (character: string) =>
    normalize(character, { ...nothing, ...fields }).text;

  const members = (is: (character: string) => boolean): Ranges => {
    const ranges: [number, number][] = [];
    for (let codePoint = 0; codePoint < 0x110000; codePoint++) {
      if ((codePoint >= 0xd800 && codePoint < 0xe000) || !is(String.fromCodePoint(codePoint))) continue;
      const last = ranges.at(-1);
      if (last?.[1] === codePoint - 1) last[1] = codePoint;
      else ranges.push([codePoint, codePoint]);
    }
    return ranges;
  };
  const clean = normalized({ clean_text: true });
  const pad = normalized({ handle_chinese_chars: true });
  const wordCount = (character: string) => splitWords(`a${character}b`).length;

  test.each([
    ['removed', (character: string) => clean(character) === ''],
    ['space', (character: string) => clean(character) === ' '],
    ['chinese', (character: string) => pad(character) !== character],
    ['punctuation', (character: string) => wordCount(character) === 3],
    ['whitespace', (character: string) => wordCount(character) === 2],
  ] as const)('%s', (name, is) => {
    expect(members(is)).toEqual(expected[name]);
  });

  test.each([
    ['stripped', normalized({ strip_accents: true })],
    ['lowercase', normalized({ lowercase: true })],
  ] as const)('%s', (name, change) => {
    const changed = members((character) => change(character) !== character).flatMap(([first, last]) =>
      Array.from({ length: last - first + 1 }, (_, i) => first + i),
    );
    const found = changed.map((codePoint) => [String(codePoint), change(String.fromCodePoint(codePoint))]);
    expect(Object.fromEntries(found)).toEqual(expected[name]);
  });
});
