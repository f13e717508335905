import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InputError } from '../errors.js';
import { readDocuments } from './corpus.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'corpus-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function file(name: string, content: string | Uint8Array): Promise<string> {
  await writeFile(path.join(folder, name), content);
  return path.join(folder, name);
}

describe('readDocuments', () => {
  it('takes a text file as one document, without its byte order mark', async () => {
    expect(await readDocuments(await file('a.txt', '\ufeffOne.\n\nTwo, naïve.\n'))).toEqual([
      'One.\n\nTwo, naïve.\n',
    ]);
  });

  it('takes a document from each line of JSON, and passes over empty lines', async () => {
    const lines = '{"text": "One\\nand"}\r\n\n{"id": 7, "text": "two"}\n{"text": " "}';
    expect(await readDocuments(await file('a.jsonl', lines))).toEqual(['One\nand', 'two']);
  });

  it('reads the text files of a folder in natural order, and nothing else there', async () => {
    await file('part_10.txt', 'ten');
    await file('part_9.jsonl', '{"text": "nine"}\n{"text": "and a half"}');
    await file('part_1.txt', 'one');
    await file('notes.md', 'not this');
    await mkdir(path.join(folder, 'part_2.txt'));
    expect(await readDocuments(folder)).toEqual(['one', 'nine', 'and a half', 'ten']);
  });

  const rejected = async (corpus: string): Promise<string> => {
    const error: unknown = await readDocuments(corpus).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(InputError);
    return (error as InputError).message;
  };

  it('says that a corpus is missing, empty, or a folder without text files', async () => {
    const missing = path.join(folder, 'missing.txt');
    expect(await rejected(missing)).toBe(`the corpus ${missing} does not exist`);
    expect(await rejected(folder)).toBe(`the folder ${folder} has no .txt or .jsonl file`);
    const empty = await file('empty.txt', ' \n');
    expect(await rejected(empty)).toBe(`the corpus ${empty} is empty: there is no text in it`);
  });

  it('names a file that is not text', async () => {
    const zero = await file('zero.txt', new Uint8Array([65, 66, 0]));
    expect(await rejected(zero)).toBe(`${zero} is not a text file: it has a zero byte at 2`);
    const latin1 = await file('latin1.txt', new Uint8Array([0xe9, 0x74, 0xe9]));
    expect(await rejected(latin1)).toBe(`${latin1} is not a text file: it is not UTF-8`);
  });

  it('names the line that is not a document', async () => {
    const broken = await file('broken.jsonl', '{"text": "a"}\n\n{"text": ');
    expect(await rejected(broken)).toContain(`${broken}, line 3: not JSON`);
    for (const line of ['{"content": "a"}', '{"text": 1}', '"text"', 'null']) {
      const other = await file('other.jsonl', line);
      expect(await rejected(other)).toBe(`${other}, line 1: expected a JSON object with a "text" string`);
    }
  });
});
