/** `preprocess`: the same bytes as Megatron-LM's tool for the same ids, however it is run, and whatever stops it. */
import { spawn } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createHash } from 'node:crypto';
import * as zlib from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { requireWholeZstd } from '../src/data/preprocess/zstd-frames.js';
import { sentenceSplitter } from '../src/data/sentences.js';
import { randomKey, randomUniform } from '../src/random.js';
import { readTokenizer } from '../src/text/tokenizer-files.js';
import { fixture, readJson } from './support/fixture.js';
import { built } from './support/package.js';
import { megatronBert, temporaryFolder, writeChapters } from './support/workspace.js';

const folder = temporaryFolder();
const tokenizer = fixture('tokenizer/uncased');
const documents = fixture('datasets/documents.jsonl.gz');
let count = 0;
const place = (name: string) => path.join(folder, `${name}-${count++}`);

function file(name: string, content: string | Uint8Array): string {
  const at = place('input');
  mkdirSync(at);
  writeFileSync(path.join(at, name), content);
  return path.join(at, name);
}
const chapters = place('chapters');
writeChapters(chapters, 135);

const bytesOf = (prefix: string) => ['bin', 'idx'].map((end) => readFileSync(`${prefix}.${end}`));
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
function expectSameBytes(found: string, expected: string): void {
  const others = bytesOf(expected);
  for (const [i, bytes] of bytesOf(found).entries()) expect(bytes.equals(others[i]!)).toBe(true);
}

const loaded = await readTokenizer(tokenizer);
const tokenize = (text: string) => loaded.tokenize(text);

/** Runs it on two threads, and gives the prefixes of the data sets. */
async function run(
  input: string | readonly string[],
  options: Partial<Parameters<typeof built.preprocess>[0]> = {},
): Promise<string[]> {
  const { datasets } = await built.preprocess({
    input: typeof input === 'string' ? [input] : input,
    tokenizer,
    outputPrefix: place('output'),
    workers: 2,
    ...options,
  });
  return datasets.map(({ prefix }) => prefix);
}

async function readDataset(prefix: string): Promise<number[][][]> {
  const dataset = await built.openIndexedDataset(prefix);
  const { documentIndex, documentCount } = dataset;
  const read: number[][][] = [];
  for (let i = 0; i < documentCount; i++)
    read.push((await dataset.readMany(documentIndex[i]!, documentIndex[i + 1]!)).map((ids) => [...ids]));
  await dataset.close();
  return read;
}

describe('the same bytes as megatron-core’s builder', () => {
  test('of two keys, a text and a list of sentences', async () => {
    const prefix = place('plain');
    const { code, stdout } = await megatronBert(
      ...['preprocess', documents, '--tokenizer', tokenizer, '--output-prefix', prefix],
      ...['--json-keys', 'text', 'sentences', '--workers', '2', '--json'],
    );
    expect(code).toBe(0);
    for (const key of ['text', 'sentences'])
      expectSameBytes(`${prefix}_${key}_document`, fixture(`datasets/plain_${key}_document`));
    expect(JSON.parse(stdout)).toMatchObject({
      resumed: false,
      datasets: [
        { key: 'text', prefix: `${prefix}_text_document`, dtype: 'uint16', documents: 15 },
        { key: 'sentences' },
      ],
    });
    expect(existsSync(`${prefix}.incomplete`)).toBe(false);
  });

  test('with ends of documents', async () => {
    const prefixes = await run(documents, { jsonKeys: ['text', 'sentences'], appendEod: true });
    expectSameBytes(prefixes[0]!, fixture('datasets/ended_text_document'));
    expectSameBytes(prefixes[1]!, fixture('datasets/ended_sentences_document'));
  });

  test('of 32 bits', async () => {
    const [prefix] = await run(documents, { dtype: 'int32' });
    expectSameBytes(prefix!, fixture('datasets/wide_text_document'));
  });

  test.each(['snappy', 'zstd'])('of parquet, compressed with %s', async (compression) => {
    const input = fixture(`datasets/documents.${compression}.parquet`);
    const prefixes = await run(input, { jsonKeys: ['text', 'sentences'] });
    expectSameBytes(prefixes[0]!, fixture('datasets/plain_text_document'));
    expectSameBytes(prefixes[1]!, fixture('datasets/plain_sentences_document'));
  });

  test('of Moby-Dick, by chapters and by lines', async () => {
    const expected = Object.values(readJson(fixture('datasets/checksums.json')) as Record<string, object>);
    const checksums = (prefix: string) => {
      const [bin, idx] = bytesOf(prefix);
      return { bin: sha256(bin!), idx: sha256(idx!) };
    };
    const [byFile] = await run(chapters);
    expect(checksums(byFile!)).toEqual(expected[0]);
    const [byLine] = await run(chapters, { documentsBy: 'line', appendEod: true });
    expect(checksums(byLine!)).toEqual(expected[1]);
  });
});

describe('the same bytes', () => {
  const novel = readdirSync(chapters)
    .map((name) => readFileSync(path.join(chapters, name), 'utf8'))
    .join('\n\n');
  const lines = Array.from({ length: 60 }, (_, i) =>
    JSON.stringify({ text: novel.slice(i * 7000, i * 7000 + 90_000) }),
  );
  const large = file('large.jsonl', `${lines.join('\n')}\n`);

  test('on one, two and three threads', async () => {
    const found = [];
    for (const workers of [1, 2, 3]) found.push((await run(large, { splitSentences: true, workers }))[0]!);
    expect(readFileSync(large).length).toBeGreaterThan(5e6);
    expectSameBytes(found[1]!, found[0]!);
    expectSameBytes(found[2]!, found[0]!);
  });

  test('of a file and of the same one compressed, and of several and of one', async () => {
    const [plain] = await run(large);
    const [packed] = await run(file('large.json.gz', zlib.gzipSync(readFileSync(large))));
    expectSameBytes(packed!, plain!);
    const [apart] = await run([
      file('a.jsonl', lines.slice(0, 7).join('\n')),
      file('b.jsonl', `\n${lines.slice(7).join('\r\n\r\n')}\r\n`),
    ]);
    expectSameBytes(apart!, plain!);
  });

  test('of one large text and of a whole that was tokenized at once', async () => {
    const text = `\ufeff${novel}${novel}\n\n`;
    const input = file('novel.txt', text);
    expect(await readDataset((await run(input))[0]!)).toEqual([[tokenize(text)]]);
    const sentences = sentenceSplitter('en')(text)
      .map(tokenize)
      .filter(({ length }) => length > 0);
    expect(await readDataset((await run(input, { splitSentences: true }))[0]!)).toEqual([sentences]);
    const [ended] = await run(input, { splitSentences: true, appendEod: true });
    sentences.at(-1)!.push(loaded.tokens.sep);
    expect(await readDataset(ended!)).toEqual([sentences]);
  });

  test('of a paragraph without an end', async () => {
    const text = 'the whale swam; '.repeat(1_200_000);
    const found = await readDataset((await run(file('line.txt', text)))[0]!);
    const once = tokenize('the whale swam; ');
    expect(found).toHaveLength(1);
    expect(found[0]).toHaveLength(1);
    expect(found[0]![0]!.length).toBe(1_200_000 * once.length);
    expect(found[0]![0]!.every((id, i) => id === once[i % once.length])).toBe(true);
  });

  test('of a document with a million sentences', async () => {
    const input = file('many.jsonl', JSON.stringify({ text: 'A whale. '.repeat(1_000_000) }));
    const dataset = await built.openIndexedDataset((await run(input, { splitSentences: true }))[0]!);
    expect(dataset).toMatchObject({ documentCount: 1, sequenceCount: 1_000_000, tokenCount: 3_000_000 });
    await dataset.close();
  });
});

describe('documents', () => {
  const text = 'One. Two.\n\n \nThree.\r\n\r\nFour\nFive.\n';
  test.each([
    ['file', [['One.', 'Two.', 'Three.', 'Four Five.']]],
    ['blank-line', [['One.', 'Two.'], ['Three.'], ['Four Five.']]],
    ['line', [['One.', 'Two.'], ['Three.'], ['Four'], ['Five.']]],
  ] as const)('of a text by %s', async (documentsBy, expected) => {
    const [prefix] = await run(file('a.txt', text), { documentsBy, splitSentences: true });
    expect(await readDataset(prefix!)).toEqual(expected.map((sentences) => sentences.map(tokenize)));
  });

  test('that are empty or null stay, so that keys have the same documents', async () => {
    const lines = ['{"a":"one","b":""}', '', '{"a":null,"b":["two"," ","three"]}', '{"a":"four.","b":[]}'];
    const prefixes = await run(file('a.jsonl', lines.join('\n')), {
      jsonKeys: ['a', 'b'],
      splitSentences: true,
    });
    const [a, b] = [await readDataset(prefixes[0]!), await readDataset(prefixes[1]!)];
    expect(a.map(({ length }) => length)).toEqual([1, 0, 1]);
    expect(b.map(({ length }) => length)).toEqual([0, 2, 0]);
    expect(path.basename(prefixes[1]!)).toMatch(/_b_sentence$/);
  });
});

describe('what is wrong is named', () => {
  const bad = (name: string, content: string | Uint8Array) => () => file(name, content);
  const filler = `${JSON.stringify({ text: 'x'.repeat(1000) })}\n`.repeat(3000);
  test.each<[string, () => string, RegExp]>([
    ['no JSON', bad('a.jsonl', '{"text":"a"}\n\n{"text":'), /a\.jsonl, line 3: not JSON: /],
    [
      'no JSON, after a while',
      bad('a.jsonl', `${filler}nothing\n${filler}`),
      /a\.jsonl, line 3001: not JSON: /,
    ],
    ['no object', bad('a.jsonl', '["a"]'), /line 1: expected a JSON object, found another list/],
    [
      'another key',
      bad('a.jsonl', '{"content":"a","id":1}'),
      /line 1: expected a JSON object with the key "text", found the keys "content", "id"/,
    ],
    [
      'no text',
      bad('a.jsonl', '{"text":"a"}\n{"text":5}'),
      /line 2: "text": expected a text or a list of sentences, found a number/,
    ],
    ['another list', bad('a.jsonl', '{"text":[["a"]]}'), /line 1: "text": .* found another list/],
    [
      'no UTF-8',
      bad('a.jsonl', Buffer.from('{"text":"a"}\n{"text":"\xe4"}', 'latin1')),
      /line 2: expected text in UTF-8/,
    ],
    [
      'no UTF-8 text',
      bad('a.txt', Buffer.from('a\nb\n\xe4', 'latin1')),
      /a\.txt, line 3: expected text in UTF-8/,
    ],
    ['no text file', bad('a.txt', 'a\nb\0'), /a\.txt, line 2: expected text, found a zero byte/],
    ['nothing', bad('a.txt', ' \n'), /expected text, found none that makes tokens/],
    ['no gzip', bad('a.txt.gz', 'plain'), /a\.txt\.gz: cannot be read: incorrect header check/],
    [
      'half a gzip',
      bad('a.txt.gz', zlib.gzipSync('a text').subarray(0, -4)),
      /a\.txt\.gz: cannot be read: unexpected end of file/,
    ],
    ['no parquet', bad('a.parquet', 'plain'), /a\.parquet: cannot be read as parquet/],
    [
      'another name',
      bad('a.csv', 'a'),
      /a\.csv: expected a name that ends in \.jsonl, \.json, \.txt, \.parquet/,
    ],
    ['an empty folder', () => path.dirname(file('a.csv', 'a')), /expected files of documents .* found none/],
    ['no such file', () => path.join(folder, 'nowhere.txt'), /nowhere\.txt: cannot be opened/],
  ])('%s', async (_, make, message) => {
    const outputPrefix = place('output');
    const error: unknown = await run(make(), { outputPrefix }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(built.InputError);
    expect((error as Error).message).toMatch(message);
    expect(existsSync(`${outputPrefix}_text_document.idx`)).toBe(false);
  });

  test('a line that is too long', async () => {
    const input = file('a.jsonl', '{"text":"a"}\n{"text":"');
    truncateSync(input, 2 ** 28 + 100);
    await expect(run(input)).rejects.toThrow(
      /a\.jsonl: expected lines of less than 268435456 bytes, found a longer one at byte 13/,
    );
  });

  test('a column that is missing', async () => {
    const input = fixture('datasets/documents.snappy.parquet');
    await expect(run(input, { jsonKeys: ['body'] })).rejects.toThrow(
      /expected a column body, found id, text, sentences/,
    );
    await expect(run(input, { jsonKeys: ['id'] })).rejects.toThrow(/row 1: "id": .* found a bigint/);
  });

  test.each([
    [{ jsonKeys: [] }, 'JSON keys: expected at least one'],
    [{ jsonKeys: ['a', 'a'] }, 'JSON keys: "a" is there twice'],
    [{ jsonKeys: ['../a'] }, 'JSON keys: expected names without slashes, found "../a"'],
    [{ jsonKeys: ['a', 'b'] }, 'expected one key for plain text, found 2: a, b'],
    [{ language: 'not a language' }, 'language: expected one such as en, de or sv'],
    [{ workers: 0 }, 'workers: expected a positive integer, found 0'],
    [{ outputPrefix: path.join(fixture('tiny/config.json'), 'a') }, 'cannot be written'],
  ])('%j', async (options, message) => {
    await expect(run(file('a.txt', 'a'), options)).rejects.toThrow(message);
  });

  test('a data set that is there', async () => {
    const outputPrefix = place('output');
    const input = file('a.txt', 'one');
    await run(input, { outputPrefix });
    await expect(run(input, { outputPrefix })).rejects.toThrow(
      /_text_document\.idx exists; remove that data set/,
    );
    expect(existsSync(`${outputPrefix}.incomplete`)).toBe(false);
  });

  describe('Zstandard', () => {
    // two frames of Node 22's, one of them with a checksum, and one between them that is skipped
    const packed = Buffer.from(
      'KLUv/SQvPQEA+HsidGV4dCI6ICJvbmUgd2hhbGUuIn0KdHdvcy4ifQoCAGCMus0mutgNv1MqTRgDAAAAAQIDKLUv/aDzkwQAVAAAEAoKAQD7/znAAgIAEArlAACgCnsidGV4dCI6ICJ0aHJlZS4ifQoBANwTHQgB',
      'base64',
    );
    const lines = ['one whale.', 'two whales.', 'three.'].map((text) => JSON.stringify({ text }));

    test('is read, all of its frames', async () => {
      const [found] = await run(file('a.jsonl.zst', packed));
      expectSameBytes(found!, (await run(file('a.jsonl', lines.join('\n'))))[0]!);
    });

    test('with a window that is too large is refused', async () => {
      const large = Buffer.from('28b52ffd0088010000', 'hex');
      await expect(run(file('a.txt.zst', large))).rejects.toThrow(
        'expected a window of at most 33554432 bytes, found 134217728; compress it without --long and --ultra',
      );
    });

    test('that is cut anywhere is refused', async () => {
      await requireWholeZstd(file('a.zst', packed));
      for (let length = 0; length < packed.length; length++) {
        const isWhole = requireWholeZstd(file('a.zst', packed.subarray(0, length)));
        // between frames nobody can tell
        if (![52, 63].includes(length)) await expect(isWhole).rejects.toThrow('it is cut off');
      }
      await expect(requireWholeZstd(file('a.zst', 'plain text'))).rejects.toThrow(
        'expected Zstandard at byte 0',
      );
    });
  });
});

describe('an interrupted run', () => {
  const source = zlib.gunzipSync(readFileSync(documents)).toString();
  const input = file('long.jsonl', source.repeat(500));
  const text = file(
    'long.txt',
    readdirSync(chapters)
      .map((name) => readFileSync(path.join(chapters, name)))
      .join('\n\n')
      .repeat(2),
  );
  const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
  const args = (prefix: string, workers = 2) => [
    ...['preprocess', input, '--tokenizer', tokenizer, '--output-prefix', prefix],
    ...['--json-keys', 'text', 'sentences', '--append-eod', '--workers', String(workers)],
  ];
  /** Ends it when something has come to be. */
  const killed = (words: readonly string[], isTime: (milliseconds: number) => boolean) =>
    new Promise<void>((resolve) => {
      const child = spawn(process.execPath, [main, ...words], { stdio: 'ignore' });
      const started = performance.now();
      const timer = setInterval(() => {
        if (isTime(performance.now() - started)) child.kill('SIGKILL');
      }, 2);
      child.once('close', () => {
        clearInterval(timer);
        resolve();
      });
    });
  const sizeOf = (name: string) => (existsSync(name) ? statSync(name).size : 0);

  test('killed in the middle, on its way there and at its end goes on, and gives the same bytes', async () => {
    const uninterrupted = place('whole');
    expect((await megatronBert(...args(uninterrupted))).code).toBe(0);
    const names = ['text', 'sentences'].map((key) => `_${key}_document`);
    const size = sizeOf(`${uninterrupted}_text_document.bin`);
    let resumed = 0;
    for (let i = 0; i < 3; i++) {
      const prefix = place('killed');
      const work = (name: string) => path.join(`${prefix}.incomplete`, name);
      const [fraction, early] = [0, 1].map((j) => randomUniform(randomKey('preprocess'), 2 * i + j)) as [
        number,
        number,
      ];
      await killed(args(prefix), () => sizeOf(work('0.bin')) > (0.4 + fraction / 2) * size);
      await killed(args(prefix, 1), (milliseconds) => milliseconds > 1500 * early);
      const last = ['"encoded"', '"moving"', '"moving"'][i]!;
      await killed(
        args(prefix, 3),
        () => existsSync(work('journal.jsonl')) && readFileSync(work('journal.jsonl'), 'utf8').includes(last),
      );
      if (existsSync(`${prefix}.incomplete`)) {
        const { code, stdout, stderr } = await megatronBert(...args(prefix), '--json');
        expect(code, stderr).toBe(0);
        if ((JSON.parse(stdout) as { resumed: boolean }).resumed) resumed++;
      }
      for (const name of names) expectSameBytes(prefix + name, uninterrupted + name);
      expect(existsSync(`${prefix}.incomplete`)).toBe(false);
    }
    console.log(`${resumed} of 3 runs that were killed three times went on from where they were`);
    expect(resumed).toBeGreaterThan(0);
  });

  /** A run that a line stops which is no document. */
  async function stopped(): Promise<{ first: string; broken: string; outputPrefix: string }> {
    const [first, broken] = [file('a.jsonl', source.repeat(60)), file('b.jsonl', `${source}nothing\n`)];
    const outputPrefix = place('stopped');
    await expect(run([first, broken], { outputPrefix })).rejects.toThrow(/b\.jsonl, line 16: not JSON/);
    return { first, broken, outputPrefix };
  }

  /** The same text without interruption. */
  let whole: Promise<string[]> | undefined;
  const expectWhole = async (prefix: string) => {
    whole ??= run([file('a.jsonl', source.repeat(60)), file('b.jsonl', source)]);
    expectSameBytes(prefix, (await whole)[0]!);
  };

  test('goes on after the file that stopped it was mended', async () => {
    const { first, broken, outputPrefix } = await stopped();
    writeFileSync(broken, source);
    const { datasets, resumed } = await built.preprocess({ input: [first, broken], tokenizer, outputPrefix });
    expect(resumed).toBe(true);
    await expectWhole(datasets[0]!.prefix);
  });

  test('begins again where a file that was read is another', async () => {
    const { first, broken, outputPrefix } = await stopped();
    writeFileSync(broken, source);
    utimesSync(first, new Date(0), new Date(0));
    const { datasets, resumed } = await built.preprocess({ input: [first, broken], tokenizer, outputPrefix });
    expect(resumed).toBe(false);
    await expectWhole(datasets[0]!.prefix);
  });

  test('is not mixed with another tokenizer or other options', async () => {
    const { first, broken, outputPrefix } = await stopped();
    const again = { input: [first, broken], tokenizer, outputPrefix };
    await expect(built.preprocess({ ...again, appendEod: true })).rejects.toThrow(
      `${outputPrefix}.incomplete is of a run that was interrupted and had other options; run that again, or remove the folder`,
    );
    await expect(built.preprocess({ ...again, tokenizer: fixture('tokenizer/cased') })).rejects.toThrow(
      'another tokenizer',
    );
  });

  test('does again what is damaged, or not all there', async () => {
    for (const damage of [
      (name: string) => {
        truncateSync(name, 1000);
      },
      (name: string) => {
        const bytes = readFileSync(name);
        bytes[bytes.length >> 1]! ^= 1;
        writeFileSync(name, bytes);
      },
      (name: string) => {
        appendFileSync(name, 'more');
      },
      (name: string) => {
        rmSync(name);
      },
    ]) {
      const { first, broken, outputPrefix } = await stopped();
      for (const part of ['0.bin', '0.lengths']) damage(path.join(`${outputPrefix}.incomplete`, part));
      appendFileSync(path.join(`${outputPrefix}.incomplete`, 'journal.jsonl'), '{"moment":');
      writeFileSync(broken, source);
      const [prefix] = await run([first, broken], { outputPrefix });
      await expectWhole(prefix!);
    }
  });

  test('of a text that is one document goes on inside of it', async () => {
    const broken = file('b.txt', 'a\0');
    const outputPrefix = place('inside');
    const options = { splitSentences: true, appendEod: true, outputPrefix };
    await expect(run([text, broken], options)).rejects.toThrow('zero byte');
    const journal = path.join(`${outputPrefix}.incomplete`, 'journal.jsonl');
    const lines = readFileSync(journal, 'utf8').split('\n').slice(0, 2);
    const { moment } = JSON.parse(lines[1]!) as { moment: { next: { inDocument: boolean } } };
    writeFileSync(journal, `${lines.join('\n')}\n`);
    writeFileSync(broken, 'the end.');
    const [prefix] = await run([text, broken], options);
    const [once] = await run([text, broken], { ...options, outputPrefix: place('whole') });
    expectSameBytes(prefix!, once!);
    console.log(`went on ${moment.next.inDocument ? 'inside' : 'after the end'} of a document`);
  });

  test('is not gone on with by two at once', async () => {
    const { first, broken, outputPrefix } = await stopped();
    const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)']);
    writeFileSync(path.join(`${outputPrefix}.incomplete`, 'process'), String(child.pid));
    await expect(run([first, broken], { outputPrefix })).rejects.toThrow(
      `process ${child.pid!} is at work there`,
    );
    child.kill();
  });
});

test('its help has examples, and bad options are refused with 2', async () => {
  const { stdout } = await megatronBert('preprocess', '--help');
  expect(stdout).toMatch(/Examples:\n +\$ megatron-bert preprocess corpus\.jsonl/);
  const input = file('a.txt', 'a');
  const { code, stderr } = await megatronBert(
    ...['preprocess', input, '--tokenizer', tokenizer, '--output-prefix', place('x'), '--json-keys', 'a/b'],
  );
  expect([code, stderr]).toEqual([
    2,
    'megatron-bert: JSON keys: expected names without slashes, found "a/b"\n',
  ]);
});
