/** The documents of a chunk, as texts. */
import { isUtf8 } from 'node:buffer';
import { InputError, shown } from '../../errors.js';
import type { ChunkData } from './chunks.js';
import type { InputFile } from './inputs.js';
import type { DocumentsBy } from './options.js';
import { openParquet } from './parquet.js';

/** A text, or the sentences of one. */
export type DocumentText = string | readonly string[];

/** A document by its keys. */
export type DocumentRecord = Readonly<Record<string, DocumentText>>;

/** What is wrong in a chunk, and in which of its lines or rows (from 0). */
export class ChunkProblem extends Error {
  constructor(
    message: string,
    readonly line?: number,
  ) {
    super(message);
  }
}

/** @param linesBefore lines or rows of the file before the chunk */
export function problemIn(
  { path, format }: InputFile,
  linesBefore: number,
  { message, line }: { readonly message: string; readonly line?: number | undefined },
): InputError {
  if (line === undefined) return new InputError(message);
  return new InputError(
    `${path}, ${format === 'parquet' ? 'row' : 'line'} ${linesBefore + line + 1}: ${message}`,
  );
}

export interface ChunkRecords {
  readonly records: readonly DocumentRecord[];
  /** Ends of lines. */
  readonly lines: number;
}

/** @throws ChunkProblem */
export async function readRecords(
  data: ChunkData,
  keys: readonly string[],
  documentsBy: DocumentsBy,
): Promise<ChunkRecords> {
  if (data.format === 'parquet') {
    const rows = await (await openParquet(data.path)).readRowGroup(data.rowGroup, keys);
    const records = rows.map((row, i) => recordOf(row, keys, i, 'row'));
    return { records, lines: rows.length };
  }
  const text = decode(data.bytes);
  const lines = countLines(text);
  if (data.format === 'json') return { records: parseLines(text, keys), lines };
  const zero = text.indexOf('\0');
  if (zero >= 0) throw new ChunkProblem('expected text, found a zero byte', countLines(text.slice(0, zero)));
  const [key] = keys as readonly [string];
  const documents = documentsIn(text, documentsBy);
  // the end of a document may be all that is in a chunk
  if (documents.length === 0 && data.continues) documents.push('');
  return { records: documents.map((document) => ({ [key]: document })), lines };
}

function decode(bytes: Uint8Array): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return text.startsWith('\ufeff') ? text.slice(1) : text;
  } catch {
    throw new ChunkProblem('expected text in UTF-8, found other bytes', wrongLine(bytes));
  }
}

function wrongLine(bytes: Uint8Array): number {
  let line = 0;
  let start = 0;
  for (;;) {
    const end = bytes.indexOf(0x0a, start);
    if (end < 0 || !isUtf8(bytes.subarray(start, end))) return line;
    start = end + 1;
    line++;
  }
}

function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count++;
  return count;
}

function documentsIn(text: string, documentsBy: DocumentsBy): string[] {
  const documents =
    documentsBy === 'file' ? [text] : text.split(documentsBy === 'line' ? '\n' : /\n[\t\r ]*\n/);
  return documents.filter((document) => document.trim() !== '');
}

function parseLines(text: string, keys: readonly string[]): DocumentRecord[] {
  return text.split('\n').flatMap((line, i) => {
    if (line.trim() === '') return [];
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (error) {
      throw new ChunkProblem(`not JSON: ${(error as Error).message}`, i);
    }
    return [recordOf(value, keys, i, 'JSON object')];
  });
}

function recordOf(value: unknown, keys: readonly string[], line: number, what: string): DocumentRecord {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ChunkProblem(`expected a ${what}, found ${kindOf(value)}`, line);
  return Object.fromEntries(
    keys.map((key) => {
      if (!Object.hasOwn(value, key))
        throw new ChunkProblem(
          `expected a ${what} with the key ${shown(key)}, found the keys ${Object.keys(value).map(shown).join(', ') || '(none)'}`,
          line,
        );
      return [key, textOf((value as Record<string, unknown>)[key], key, line)];
    }),
  );
}

function textOf(value: unknown, key: string, line: number): DocumentText {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  if (Array.isArray(value) && value.every((sentence) => typeof sentence === 'string')) return value;
  throw new ChunkProblem(
    `${shown(key)}: expected a text or a list of sentences, found ${kindOf(value)}`,
    line,
  );
}

const kindOf = (value: unknown) =>
  Array.isArray(value) ? 'another list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
