/** The rows of data files: JSON, JSON lines, CSV, TSV, parquet, CoNLL and plain text. */
import { isUtf8 } from 'node:buffer';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { openByteStream } from '../../data/preprocess/byte-stream.js';
import { openParquet } from '../../data/preprocess/parquet.js';
import { InputError, shown } from '../../errors.js';
import { parseCsv } from '../benchmarks/csv.js';
import type { Row } from '../task.js';
import { conllRows } from './conll.js';
import { squadRows } from './squad-json.js';

/** Bytes of a file that is in memory as a whole. */
const largestFile = 2 ** 29;

type Reader = (text: string, file: string) => Iterable<Row>;

const readers: Readonly<Record<string, Reader>> = {
  '.json': jsonRows,
  '.jsonl': jsonLines,
  '.ndjson': jsonLines,
  '.csv': (text, file) => tableRows(parseCsv(text, file), file),
  '.tsv': (text, file) =>
    tableRows(
      linesOf(text).map((line) => line.split('\t')),
      file,
    ),
  '.conll': conllRows,
  '.txt': (text) => linesOf(text).map((line) => ({ text: line })),
};

const compressions: Readonly<Record<string, 'gzip' | 'zstd'>> = { '.gz': 'gzip', '.zst': 'zstd' };

/** @throws InputError naming the file, and where there is one the row, that cannot be read */
export async function* readRows(file: string): AsyncGenerator<Row> {
  const compression = compressions[path.extname(file).toLowerCase()] ?? null;
  const inner = compression ? path.basename(file, path.extname(file)) : file;
  const format = path.extname(inner).toLowerCase();
  if (!(await stat(file).catch(() => undefined))?.isFile())
    throw new InputError(
      `${file}: expected a file, found ${(await stat(file).catch(() => undefined)) ? 'a folder' : 'nothing'}`,
    );
  if (format === '.parquet' && !compression) {
    yield* parquetRows(file);
    return;
  }
  const read = readers[format];
  if (!read)
    throw new InputError(
      `${file}: expected ${Object.keys(readers).join(', ')}, maybe with ${Object.keys(compressions).join(' or ')} after it, or .parquet, found ${format || 'no ending'}`,
    );
  yield* read(await readWhole(file, compression), file);
}

async function readWhole(file: string, compression: 'gzip' | 'zstd' | null): Promise<string> {
  const { size, mtimeMs } = await stat(file);
  const blocks: Buffer[] = [];
  let length = 0;
  const input = { path: file, bytes: size, modified: mtimeMs, format: 'text', compression } as const;
  for await (const block of openByteStream(input, 0).blocks) {
    length += block.length;
    if (length > largestFile)
      throw new InputError(
        `${file}: expected at most ${largestFile} bytes in a file, found more: divide it, or use parquet`,
      );
    blocks.push(block);
  }
  const bytes = Buffer.concat(blocks);
  if (!isUtf8(bytes)) throw wrongEncoding(file, bytes);
  const text = bytes.toString('utf8');
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}

function wrongEncoding(file: string, bytes: Buffer): InputError {
  if (bytes[0] === 0xff || bytes[0] === 0xfe)
    return new InputError(`${file}: expected text in UTF-8, found UTF-16: write it in UTF-8`);
  let [line, start] = [1, 0];
  for (;;) {
    const end = bytes.indexOf(0x0a, start);
    const stop = end < 0 ? bytes.length : end + 1;
    if (!isUtf8(bytes.subarray(start, stop))) break;
    start = stop;
    line++;
  }
  return new InputError(
    `${file}, line ${line}: expected text in UTF-8, found other bytes from byte ${start} on: write it in UTF-8`,
  );
}

const linesOf = (text: string): string[] => {
  const lines = text.split(/\r\n|\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
};

function parse(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InputError(`${where}: not JSON: ${(error as Error).message}`, { cause: error });
  }
}

/** A list of objects, or an object whose `data` is one. */
function jsonRows(text: string, file: string): Iterable<Row> {
  // JSON lines often have the name of JSON
  if (/^\s*\{[^\n]*\}\s*\n\s*\{/.test(text)) return jsonLines(text, file);
  const value = parse(text, file);
  const list = Array.isArray(value) ? value : (value as { readonly data?: unknown } | null)?.data;
  if (!Array.isArray(list))
    throw new InputError(
      `${file}: expected a list of objects, or an object with a list data, found ${shown(value)}`,
    );
  const rows = list.map((row: unknown, i) => requireObject(row, `${file}: row ${i + 1}`));
  return rows.length > 0 && Array.isArray(rows[0]!.paragraphs) ? squadRows(rows, file) : rows;
}

function jsonLines(text: string, file: string): Row[] {
  return linesOf(text).flatMap((line, i) =>
    line.trim() === ''
      ? []
      : [requireObject(parse(line, `${file}, line ${i + 1}`), `${file}, line ${i + 1}`)],
  );
}

function requireObject(value: unknown, where: string): Row {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InputError(`${where}: expected an object, found ${shown(value)}`);
  return value as Row;
}

/** By the names in the first row. */
function tableRows(cells: readonly (readonly string[])[], file: string): Row[] {
  const [header, ...rows] = cells;
  if (!header) return [];
  const repeated = header.find((name, i) => header.indexOf(name) !== i);
  if (repeated !== undefined)
    throw new InputError(`${file}: expected columns of different names, found two ${shown(repeated)}`);
  return rows.flatMap((row, i) => {
    if (row.length === 1 && row[0] === '') return [];
    if (row.length !== header.length)
      throw new InputError(
        `${file}: row ${i + 1}: expected ${header.length} cells (${header.join(', ')}), found ${row.length}`,
      );
    return [Object.fromEntries(header.map((name, column) => [name, row[column]!]))];
  });
}

async function* parquetRows(file: string): AsyncGenerator<Row> {
  const parquet = await openParquet(file);
  for (let group = 0; group < parquet.rowGroups; group++)
    for (const row of await parquet.readRowGroup(group, parquet.columns))
      yield Object.fromEntries(Object.entries(row).map(plain));
}

/** Integers as numbers, where they are exact. */
const plain = ([name, value]: [string, unknown]): [string, unknown] => [name, plainValue(value)];

function plainValue(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (Array.isArray(value)) return value.map(plainValue);
  if (value && typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype)
    return Object.fromEntries(Object.entries(value).map(plain));
  return value;
}
