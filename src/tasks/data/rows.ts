import { splitName } from '../../data/preprocess/inputs.js';
import { InputError } from '../../errors.js';
import { readConll } from './conll.js';
import { readCsv } from './csv.js';
import { readJson, readJsonLines } from './json.js';
import { readParquet } from './parquet.js';
import type { Row } from './row.js';
import { readLines } from './text.js';

export interface ReadRowsOptions {
  /** What `.txt` files have: a text a line, which is the default, or sentences as `.conll` files do. */
  readonly txt?: 'lines' | 'conll';
}

type ReadRows = (path: string, options: ReadRowsOptions) => AsyncGenerator<Row>;

const readers: Readonly<Record<string, ReadRows>> = {
  '.parquet': readParquet,
  '.jsonl': readJsonLines,
  '.ndjson': readJsonLines,
  '.json': readJson,
  '.csv': (path) => readCsv(path, ','),
  '.tsv': (path) => readCsv(path, '\t'),
  '.conll': (path) => readConll(path),
  '.txt': (path, { txt = 'lines' }) => (txt === 'conll' ? readConll(path) : readTexts(path)),
};

/** The ends of names of files that have rows. */
export const rowExtensions: readonly string[] = Object.keys(readers);

const readerOf = (name: string): ReadRows | undefined => {
  const { extension, compression } = splitName(name);
  return compression && extension === '.parquet' ? undefined : readers[extension];
};

/** Whether a name is one of a file of rows. */
export const hasRows = (name: string): boolean => readerOf(name) !== undefined;

/** @throws InputError unless the name is one of a file of rows */
export function requireRows(name: string): void {
  if (!hasRows(name))
    throw new InputError(
      `${name}: expected a name that ends in ${rowExtensions.join(', ')}, all but the first also with .gz or .zst after it`,
    );
}

/**
 * The rows of a file, one after another, in memory that does not grow with the file: of parquet one row group is in it.
 *
 * @throws InputError where the file is not as its name says, naming the line or the row
 */
export async function* readRows(path: string, options: ReadRowsOptions = {}): AsyncGenerator<Row> {
  requireRows(path);
  yield* readerOf(path)!(path, options);
}

async function* readTexts(path: string): AsyncGenerator<Row> {
  for await (const { text } of readLines(path)) yield { text };
}
