import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixture } from '../../../test/support/fixture.js';
import { InputError } from '../../errors.js';
import { readTexts } from './texts.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'texts-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function file(name: string, content: string | Uint8Array): Promise<string> {
  await writeFile(path.join(folder, name), content);
  return path.join(folder, name);
}

async function read(options: Parameters<typeof readTexts>[0]): Promise<string[]> {
  const texts: string[] = [];
  for await (const text of readTexts(options)) texts.push(text);
  return texts;
}

describe('readTexts', () => {
  it('gives all of a text that is longer than what is read at once, wherever it is divided', async () => {
    const words = Array.from({ length: 400_000 }, (_, i) => `naïve${i}`);
    const paragraphs = words.map((word, i) => word + (i % 9 === 8 ? '\n\n' : ' ')).join('');
    const input = [await file('a.txt', paragraphs), await file('b.txt.gz', gzipSync(words.join(' ')))];
    const [first, second] = await Promise.all(input.map((name) => read({ input: [name] })));
    expect(first!.length).toBeGreaterThan(1);
    expect(first!.join('')).toBe(paragraphs);
    expect(second!.join('')).toBe(words.join(' '));
  });

  it.each(['snappy', 'zstd'])('gives the same of JSON lines and of parquet (%s)', async (compression) => {
    const json = fixture('datasets/documents.jsonl.gz');
    const rows = gunzipSync(readFileSync(json)).toString().trimEnd().split('\n');
    const records = rows.map((row) => JSON.parse(row) as { text: string; sentences: string[] });
    const expected = records.flatMap(({ text, sentences }) => [text, ...sentences]);
    for (const name of [json, fixture(`datasets/documents.${compression}.parquet`)]) {
      const texts = await read({ input: [name], jsonKeys: ['text', 'sentences'] });
      expect(texts).toEqual(expected.filter((text) => text.trim() !== ''));
    }
  });

  it('says how far it is, in bytes of the files', async () => {
    await file('one.jsonl', '{"text": "One\\nand"}\n\n{"text": " "}\n{"text": "two"}');
    await file('two.txt', 'three');
    const told: number[] = [];
    const onProgress = ({ done, total }: { done: number; total: number }) => told.push(done / total);
    expect(await read({ input: [folder], onProgress })).toEqual(['One\nand', 'two', 'three']);
    expect(told).toEqual(told.toSorted((a, b) => a - b));
    expect(told.at(-1)).toBe(1);
  });

  it.each([
    ['empty.txt', ' \n ', /empty\.txt: expected text, found none/],
    ['binary.txt', 'a\0b', /binary\.txt, line 1: expected text, found a zero byte/],
    ['cut.txt', Buffer.from([0x61, 0xc3]), /cut\.txt, line 1: expected text in UTF-8, found other bytes/],
    ['wrong.jsonl', '{"text": "a"}\n{"text": 5}', /wrong\.jsonl, line 2: "text": expected a text/],
    ['broken.jsonl', `${'{"text": "a"}\n'.repeat(100_000)}{`, /broken\.jsonl, line 100001: not JSON/],
  ])('%s', async (name, content, message) => {
    const texts = read({ input: [await file(name, content)] });
    await expect(texts).rejects.toThrow(InputError);
    await expect(texts).rejects.toThrow(message);
  });
});
