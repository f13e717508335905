/** Megatron-LM's data sets: read and written as megatron-core's builder writes them (parity/make_dataset_fixtures.py). */
import fc from 'fast-check';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { createIndexedDatasetBuilder } from '../src/data/indexed/builder.js';
import { mergeDatasets, splitDataset } from '../src/data/indexed/combine.js';
import { openIndexedDataset, type IndexedDataset } from '../src/data/indexed/open.js';
import type { WrittenTokenType } from '../src/data/indexed/token-types.js';
import { requireVocabulary, vocabularyOf, writeVocabulary } from '../src/data/indexed/vocabulary.js';
import { InputError } from '../src/errors.js';
import { inspect } from '../src/inspect/inspect.js';
import { fixture } from './support/fixture.js';
import { megatronBert, temporaryFolder } from './support/workspace.js';

const folder = temporaryFolder();
let count = 0;
const place = (name = 'data') => path.join(folder, `${name}-${count++}`);
const bytesOf = (prefix: string) => ({
  bin: readFileSync(`${prefix}.bin`),
  idx: readFileSync(`${prefix}.idx`),
});
const expectSameBytes = (found: string, expected: string) => {
  const [a, b] = [bytesOf(found), bytesOf(expected)];
  expect(a.idx.equals(b.idx)).toBe(true);
  expect(a.bin.equals(b.bin)).toBe(true);
};

type Documents = readonly (readonly (readonly number[])[])[];

async function write(documents: Documents, dtype: WrittenTokenType, prefix = place()): Promise<string> {
  const builder = await createIndexedDatasetBuilder(prefix, { dtype });
  for (const document of documents) await builder.addDocument(document);
  await builder.finish();
  return prefix;
}

async function documentsOf(dataset: IndexedDataset): Promise<number[][][]> {
  const { documentIndex } = dataset;
  const documents: number[][][] = [];
  for (let i = 0; i < dataset.documentCount; i++) {
    const sequences = await dataset.readMany(documentIndex[i]!, documentIndex[i + 1]!);
    documents.push(sequences.map((tokens) => [...tokens]));
  }
  return documents;
}

async function read(prefix: string): Promise<number[][][]> {
  const dataset = await openIndexedDataset(prefix);
  try {
    return await documentsOf(dataset);
  } finally {
    await dataset.close();
  }
}

describe('what megatron-core writes', () => {
  test.each([
    ['plain_text_document', 'uint16'],
    ['plain_sentences_document', 'uint16'],
    ['ended_text_document', 'uint16'],
    ['ended_sentences_document', 'uint16'],
    ['wide_text_document', 'int32'],
    ['items', 'uint16'],
    ['extremes', 'uint16'],
    ['extremes32', 'int32'],
    ['merged', 'uint16'],
  ] as const)('%s is read, and written again with the same bytes', async (name, dtype) => {
    const source = fixture(`datasets/${name}`);
    const dataset = await openIndexedDataset(source);
    expect(dataset).toMatchObject({ layout: 'current', dtype });
    const documents = await documentsOf(dataset);
    await dataset.close();
    expectSameBytes(await write(documents, dtype), source);
    const inOne = documents.flat(2);
    const { bin } = bytesOf(source);
    const stored =
      dtype === 'uint16'
        ? new Uint16Array(Uint8Array.from(bin).buffer)
        : new Int32Array(Uint8Array.from(bin).buffer);
    expect(inOne).toEqual([...stored]);
  });

  test('documents that are added sequence by sequence', async () => {
    const source = fixture('datasets/extremes32');
    const target = place();
    const builder = await createIndexedDatasetBuilder(target, { vocabSize: 2 ** 31 });
    for (const document of await read(source)) {
      for (const tokens of document) await builder.addSequence(tokens);
      await builder.endDocument();
    }
    await builder.finish();
    expectSameBytes(target, source);
  });

  test('merged', async () => {
    const target = place();
    const names = ['plain_text_document', 'plain_sentences_document'];
    await mergeDatasets(
      names.map((name) => fixture(`datasets/${name}`)),
      target,
    );
    expectSameBytes(target, fixture('datasets/merged'));
  });

  test('the classic layout', async () => {
    const dataset = await openIndexedDataset(fixture('datasets/classic'));
    expect(dataset).toMatchObject({ layout: 'classic', dtype: 'int32' });
    const documents = await documentsOf(dataset);
    await dataset.close();
    expect(documents).toEqual(await read(fixture('datasets/items')));
    const target = place();
    await mergeDatasets([fixture('datasets/classic')], target);
    expect(await read(target)).toEqual(documents);
  });
});

const documentsArbitrary = (most: number) =>
  fc.array(fc.array(fc.array(fc.integer({ min: 0, max: most }), { maxLength: 8 }), { maxLength: 5 }), {
    maxLength: 8,
  });

describe('any data set', () => {
  test('is read as it was written', async () => {
    await fc.assert(
      fc.asyncProperty(fc.boolean(), documentsArbitrary(65535), async (isWide, documents) => {
        const prefix = await write(documents, isWide ? 'int32' : 'uint16');
        expect(await read(prefix)).toEqual(documents);
      }),
      { numRuns: 60 },
    );
  });

  test('gives any part of any sequence', async () => {
    const documents = Array.from({ length: 40 }, (_, i) =>
      Array.from({ length: i % 7 }, (_, j) =>
        Array.from({ length: (i * j) % 11 }, (_, k) => 100 * i + 10 * j + k),
      ),
    );
    const sequences = documents.flat();
    const dataset = await openIndexedDataset(await write(documents, 'uint16'));
    for (const [i, tokens] of sequences.entries())
      for (const from of [0, 1, tokens.length])
        if (from <= tokens.length) {
          expect([...(await dataset.read(i, from))]).toEqual(tokens.slice(from));
          expect([...(await dataset.read(i, 0, from))]).toEqual(tokens.slice(0, from));
        }
    for (const call of [
      () => dataset.read(sequences.length),
      () => dataset.read(-1),
      () => dataset.read(0.5),
      () => dataset.read(3, 0, 1000),
      () => dataset.read(3, -1),
      () => dataset.readMany(2, 1),
      () => dataset.readMany(0, sequences.length + 1),
    ])
      await expect(call()).rejects.toThrow(InputError);
    await dataset.close();
  });

  test('is the same after it was cut anywhere and merged', async () => {
    await fc.assert(
      fc.asyncProperty(
        documentsArbitrary(65535),
        fc.array(fc.nat(8), { maxLength: 3 }),
        async (documents, cuts) => {
          const prefix = await write(documents, 'uint16');
          const ends = [...cuts.map((cut) => Math.min(cut, documents.length)), documents.length].sort(
            (a, b) => a - b,
          );
          const parts = ends.map((end, i) => ({
            target: place('part'),
            from: i === 0 ? 0 : ends[i - 1]!,
            end,
          }));
          await splitDataset(prefix, parts);
          const merged = place('merged');
          await mergeDatasets(
            parts.map(({ target }) => target),
            merged,
          );
          expectSameBytes(merged, prefix);
        },
      ),
      { numRuns: 30 },
    );
  });

  test('of one document that is longer than what is copied at once', async () => {
    const document = Array.from({ length: 5000 }, (_, i) => new Array<number>(i % 900).fill(i % 60000));
    const prefix = await write([document, [[1]]], 'uint16');
    const copy = place();
    await mergeDatasets([prefix], copy);
    expectSameBytes(copy, prefix);
  });
});

describe('a builder', () => {
  test.each([
    [{ vocabSize: 65499 }, 'uint16'],
    [{ vocabSize: 65500 }, 'int32'],
    [{ vocabSize: 100, dtype: 'int32' }, 'int32'],
  ] as const)('%j writes %s', async (options, dtype) => {
    const builder = await createIndexedDatasetBuilder(place(), options);
    expect(builder.dtype).toBe(dtype);
    await builder.abandon();
  });

  test('refuses ids that are not in the vocabulary or the type, and leaves nothing behind when it is abandoned', async () => {
    const prefix = path.join(folder, 'refused', 'data');
    await expect(createIndexedDatasetBuilder(prefix, { vocabSize: 7 })).rejects.toThrow(
      /refused.*cannot be written/,
    );
    const beside = place();
    const before = readdirSync(folder).length;
    const builder = await createIndexedDatasetBuilder(beside, { vocabSize: 7 });
    for (const ids of [[7], [-1], [0.5], [NaN]])
      await expect(builder.addDocument([ids])).rejects.toThrow(
        `expected token ids from 0 to 6, found ${ids[0]}`,
      );
    await builder.addDocument([[6]]);
    await builder.abandon();
    expect(readdirSync(folder)).toHaveLength(before);
  });

  test('does not replace a data set, and is not there before it is finished', async () => {
    const prefix = await write([[[1]]], 'uint16');
    await expect(write([[[2]]], 'uint16', prefix)).rejects.toThrow(`${prefix}.idx exists`);
    const other = place();
    const builder = await createIndexedDatasetBuilder(other, { dtype: 'uint16' });
    await builder.addSequence([1]);
    expect([existsSync(`${other}.bin`), existsSync(`${other}.idx`)]).toEqual([false, false]);
    await builder.finish();
    expect(await read(other)).toEqual([[[1]]]);
  });

  test('removes what one that is no more has left', async () => {
    const prefix = place();
    const left = `${path.join(folder, `.${path.basename(prefix)}`)}.incomplete-999999999-abc`;
    writeFileSync(left, '');
    await write([[[1]]], 'uint16', prefix);
    expect(existsSync(left)).toBe(false);
  });
});

describe('what disagrees', () => {
  /** An index of sequences of 3, 2 and 4 tokens in two documents. */
  const golden = Buffer.from(
    '4d4d4944494458000001000000000000000803000000000000000300000000000000' +
      '030000000200000004000000' +
      '000000000000000006000000000000000a00000000000000' +
      '000000000000000002000000000000000300000000000000',
    'hex',
  );
  const data = Buffer.alloc(18, 1);

  function damaged(change: (index: Buffer) => Buffer | undefined, bin = data): string {
    const prefix = place('damaged');
    const index = Buffer.from(golden);
    writeFileSync(`${prefix}.idx`, change(index) ?? index);
    writeFileSync(`${prefix}.bin`, bin);
    return prefix;
  }
  const messageOf = async (prefix: string): Promise<string> => {
    const error: unknown = await openIndexedDataset(prefix).then(
      (dataset) => dataset.close(),
      (caught: unknown) => caught,
    );
    expect(error).toBeInstanceOf(InputError);
    return (error as InputError).message;
  };

  test('the example of the format is what the builder writes', async () => {
    const prefix = await write(
      [
        [
          [1, 1, 1],
          [1, 1],
        ],
        [[1, 1, 1, 1]],
      ],
      'uint16',
    );
    expect(readFileSync(`${prefix}.idx`).equals(golden)).toBe(true);
    expect(await read(damaged(() => undefined))).toHaveLength(2);
  });

  const big = (at: number, value: bigint) => (index: Buffer) => {
    index.writeBigInt64LE(value, at);
    return undefined;
  };
  const small = (at: number, value: number) => (index: Buffer) => {
    index.writeInt32LE(value, at);
    return undefined;
  };
  test.each<[string, (index: Buffer) => Buffer | undefined, RegExp]>([
    [
      'another magic',
      small(0, 0),
      /expected the index of a data set \(MMIDIDX or TNTIDX\), found a file that begins/,
    ],
    ['another version', big(9, 2n), /expected version 1, found 2/],
    [
      'floating-point tokens',
      (b) => ((b[17] = 7), undefined),
      /integer type.*found 7 \(floating-point numbers\)/,
    ],
    ['a type of no code', (b) => ((b[17] = 99), undefined), /found 99/],
    [
      'more sequences',
      big(18, 4n),
      /expected 106 bytes for 4 sequences and 3 entries of documents, found 94/,
    ],
    ['2⁴⁰ sequences', big(18, 2n ** 40n), /expected \d+ bytes for 1099511627776 sequences/],
    ['2⁶³ sequences', big(18, -(2n ** 63n)), /expected a number of sequences, found 9223372036854775808/],
    ['more documents', big(26, 4n), /3 sequences and 4 entries of documents, found 94/],
    ['a negative length', small(34, -3), /sequence 0: expected a length of 0 or more, found -3/],
    ['another length', small(38, 3), /sequence 2: expected it at byte 12, found 10/],
    [
      'a longer last sequence',
      small(42, 5),
      /\.bin: expected 20 bytes, for 10 tokens of uint16 as .*\.idx says, found 18/,
    ],
    ['a place beyond the data', big(54, 2n ** 62n), /sequence 1: expected it at byte 6, found 46/],
    [
      'a first document that is not at 0',
      big(70, 1n),
      /document 0: expected a first sequence from 0 to 0, found 1/,
    ],
    ['documents that go back', big(78, -1n), /document 1: expected a first sequence from 0 to 3, found -1/],
    ['a document beyond the sequences', big(78, 4n), /document 1: .* found 4/],
    ['documents that end before', big(86, 2n), /expected documents up to sequence 3, found them to end at 2/],
    ['an empty index', () => Buffer.alloc(0), /expected the index of a data set/],
  ])('%s', async (_, change, message) => {
    const prefix = damaged(change);
    expect(await messageOf(prefix)).toMatch(message);
    expect(await messageOf(prefix)).toContain(prefix);
  });

  test('data that is shorter or longer than the index says', async () => {
    for (const size of [0, 17, 20])
      expect(await messageOf(damaged(() => undefined, Buffer.alloc(size)))).toMatch(
        `expected 18 bytes, for 9 tokens of uint16`,
      );
  });

  test('one file without the other', async () => {
    const alone = place();
    writeFileSync(`${alone}.idx`, golden);
    expect(await messageOf(alone)).toContain(`there is no ${alone}.bin`);
    expect(await messageOf(place('nowhere'))).toMatch(/there is no .*\.idx/);
  });

  test('indices that are cut anywhere', async () => {
    for (const name of ['items', 'classic']) {
      const index = readFileSync(fixture(`datasets/${name}.idx`));
      const cuts = [...Array(120).keys(), index.length - 8, index.length - 1];
      for (const cut of cuts) await messageOf(damaged(() => index.subarray(0, cut)));
    }
  });

  test('2,000 indices of which bytes were changed', async () => {
    let opened = 0;
    for (const name of ['extremes', 'classic', 'items']) {
      const source = fixture(`datasets/${name}`);
      const { bin, idx } = bytesOf(source);
      const prefix = place('mutated');
      writeFileSync(`${prefix}.bin`, bin);
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(fc.nat(idx.length - 1), fc.integer({ min: 0, max: 255 })), {
            minLength: 1,
            maxLength: 4,
          }),
          fc.boolean(),
          async (changes, isHeader) => {
            const changed = Buffer.from(idx);
            for (const [at, value] of changes) changed[isHeader ? at % 80 : at] = value;
            writeFileSync(`${prefix}.idx`, changed);
            try {
              await read(prefix);
              opened++;
            } catch (error) {
              expect(error).toBeInstanceOf(InputError);
            }
          },
        ),
        { numRuns: 700 },
      );
    }
    console.log(
      `${opened} of 2100 changed indices are still data sets: documents begin elsewhere, or nothing changed`,
    );
  });

  test('counts that a large file bears out take no memory', async () => {
    const prefix = place('huge');
    const [sequences, entries] = [2 ** 30 + 1, 1];
    const index = Buffer.from(golden);
    index.writeBigUInt64LE(BigInt(sequences), 18);
    index.writeBigUInt64LE(BigInt(entries), 26);
    writeFileSync(`${prefix}.idx`, index);
    truncateSync(`${prefix}.idx`, 34 + 12 * sequences + 8 * entries);
    writeFileSync(`${prefix}.bin`, '');
    const before = process.memoryUsage().rss;
    expect(await messageOf(prefix)).toMatch(
      /expected at most 1073741824 sequences and 268435456 documents.*divide/,
    );
    expect(process.memoryUsage().rss - before).toBeLessThan(32 * 2 ** 20);
  });

  test('data sets that differ are not merged', async () => {
    const [narrow, wide] = [await write([[[1]]], 'uint16'), await write([[[1]]], 'int32')];
    const target = place();
    await expect(mergeDatasets([narrow, wide], target)).rejects.toThrow(
      `${wide}: expected tokens of uint16 as in ${narrow}, found int32`,
    );
    const other = await write([[[1]]], 'uint16');
    await writeVocabulary(narrow, vocabularyOf(['a', 'b']));
    await writeVocabulary(other, vocabularyOf(['a', 'c']));
    await expect(mergeDatasets([narrow, other], target)).rejects.toThrow(/expected the vocabulary/);
    await expect(mergeDatasets([], target)).rejects.toThrow('found none');
    await expect(splitDataset(narrow, [{ target, from: 0, end: 2 }])).rejects.toThrow(
      'expected documents from 0 up to 1, found 0 up to 2',
    );
    expect(readdirSync(folder).some((name) => name.startsWith(path.basename(target)))).toBe(false);
  });
});

describe('a vocabulary', () => {
  const vocab = ['a', 'b', 'c'];
  const check = async (prefix: string, tokens = vocab) => {
    const dataset = await openIndexedDataset(prefix);
    try {
      await requireVocabulary(dataset, tokens);
    } finally {
      await dataset.close();
    }
  };

  test('that was noted must be the same, and is kept by merging and splitting', async () => {
    const prefix = await write([[[0, 2]], [[1]]], 'uint16');
    await writeVocabulary(prefix, vocabularyOf(vocab));
    const [merged, part] = [place(), place()];
    await mergeDatasets([prefix, prefix], merged);
    await splitDataset(prefix, [{ target: part, from: 1, end: 2 }]);
    for (const one of [prefix, merged, part]) {
      await check(one);
      await expect(check(one, ['a', 'c', 'b'])).rejects.toThrow(
        'expected a data set made with this vocabulary (3 tokens), it was made with another (3 tokens)',
      );
    }
    writeFileSync(`${prefix}.vocabulary.json`, '{}');
    await expect(check(prefix)).rejects.toThrow('expected vocab_size and sha256');
  });

  test('that nobody has noted must have the ids', async () => {
    await check(await write([[[0, 2]]], 'uint16'));
    await expect(check(await write([[[0], [1, 3]]], 'uint16'))).rejects.toThrow(
      'sequence 1: expected token ids below 3, found 3: it was made with another vocabulary',
    );
  });
});

test('a data set of 8 GB is read in no memory', async () => {
  const prefix = place('large');
  const length = 2 ** 29;
  const index = Buffer.alloc(34 + 4 * 12 + 2 * 8);
  readFileSync(fixture('datasets/extremes32.idx')).copy(index, 0, 0, 18);
  index.writeBigUInt64LE(4n, 18);
  index.writeBigUInt64LE(2n, 26);
  for (let i = 0; i < 4; i++) {
    index.writeInt32LE(length, 34 + 4 * i);
    index.writeBigInt64LE(BigInt(4 * length * i), 50 + 8 * i);
  }
  index.writeBigInt64LE(4n, 34 + 48 + 8);
  writeFileSync(`${prefix}.idx`, index);
  const file = openSync(`${prefix}.bin`, 'w');
  writeSync(file, Int32Array.of(77), 0, 4, 16 * length - 8);
  closeSync(file);
  truncateSync(`${prefix}.bin`, 16 * length);
  const before = process.memoryUsage().rss;
  const dataset = await openIndexedDataset(prefix);
  expect(dataset.tokenCount).toBe(4 * length);
  expect([...(await dataset.read(3, length - 3))]).toEqual([0, 77, 0]);
  await dataset.close();
  expect(process.memoryUsage().rss - before).toBeLessThan(32 * 2 ** 20);
});

describe('inspect', () => {
  test('shows a data set by its prefix and by both of its files', async () => {
    const prefix = fixture('datasets/items');
    const { dataset } = await inspect(prefix);
    const sequences = (await read(prefix)).flat();
    expect(dataset).toMatchObject({
      layout: 'current',
      dtype: 'uint16',
      sequences: sequences.length,
      tokens: sequences.flat().length,
      sequence_lengths: { max: Math.max(...sequences.map(({ length }) => length)) },
    });
    for (const name of [`${prefix}.idx`, `${prefix}.bin`])
      expect((await inspect(name)).dataset).toEqual(dataset);
    expect((await inspect(fixture('datasets/classic'))).dataset).toMatchObject({
      layout: 'classic',
      dtype: 'int32',
    });
  });

  test('shows its text', async () => {
    const prefix = fixture('datasets/plain_sentences_document');
    const tokenizer = fixture('tokenizer/uncased');
    const { stdout, code } = await megatronBert('inspect', prefix, '--tokenizer', tokenizer);
    expect(code).toBe(0);
    expect(stdout).toContain("data set in Megatron-LM's current layout (MMIDIDX), tokens of uint16");
    expect(stdout).toMatch(/tokens in a sequence: min 1, 10% \d+, 50% \d+, 90% \d+, 99% \d+, max \d+/);
    expect(stdout).toContain('call me ishmael.');
    const { stdout: json } = await megatronBert('inspect', prefix, '--json');
    expect(JSON.parse(json)).toMatchObject({ dataset: { layout: 'current' } });
  });
});
