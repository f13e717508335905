import { constants, isUtf8 } from 'node:buffer';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { InputError } from '../errors.js';

const extensions = ['.txt', '.jsonl'];

/**
 * The documents of a corpus: a `.txt` file is one, a `.jsonl` file has one a line in its `text` field (as
 * Megatron-LM's preprocessing takes them), a folder holds such files.
 *
 * @throws InputError naming the file and what is wrong with it
 */
export async function readDocuments(corpus: string): Promise<string[]> {
  const files = await listFiles(corpus);
  const documents: string[] = [];
  for (const file of files)
    for (const text of await readFileDocuments(file)) if (text.trim() !== '') documents.push(text);
  if (documents.length === 0) throw new InputError(`the corpus ${corpus} is empty: there is no text in it`);
  return documents;
}

async function listFiles(corpus: string): Promise<string[]> {
  let isFolder: boolean;
  try {
    isFolder = (await stat(corpus)).isDirectory();
  } catch {
    throw new InputError(`the corpus ${corpus} does not exist`);
  }
  if (!isFolder) return [corpus];
  const names = (await readdir(corpus, { withFileTypes: true }))
    .filter((entry) => !entry.isDirectory() && extensions.includes(path.extname(entry.name)))
    .map(({ name }) => name);
  if (names.length === 0) throw new InputError(`the folder ${corpus} has no ${extensions.join(' or ')} file`);
  const { compare } = new Intl.Collator('en', { numeric: true });
  return names.sort(compare).map((name) => path.join(corpus, name));
}

async function readFileDocuments(file: string): Promise<string[]> {
  const text = await readText(file);
  if (path.extname(file) !== '.jsonl') return [text];
  return text
    .split('\n')
    .flatMap((line, i) => (line.trim() === '' ? [] : [textOfLine(line, `${file}, line ${i + 1}`)]));
}

async function readText(file: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw new InputError(`cannot read ${file}: ${(error as Error).message}`);
  }
  if (bytes.length > constants.MAX_STRING_LENGTH)
    throw new InputError(
      `${file} is too large (${bytes.length} bytes): divide it into files of at most ${constants.MAX_STRING_LENGTH}`,
    );
  if (bytes.includes(0))
    throw new InputError(`${file} is not a text file: it has a zero byte at ${bytes.indexOf(0)}`);
  if (!isUtf8(bytes)) throw new InputError(`${file} is not a text file: it is not UTF-8`);
  return new TextDecoder().decode(bytes);
}

function textOfLine(line: string, where: string): string {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch (error) {
    throw new InputError(`${where}: not JSON: ${(error as Error).message}`);
  }
  const text = (record as { text?: unknown } | null)?.text;
  if (typeof text !== 'string') throw new InputError(`${where}: expected a JSON object with a "text" string`);
  return text;
}
