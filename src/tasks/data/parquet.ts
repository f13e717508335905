import { isUtf8 } from 'node:buffer';
import { openParquet } from '../../data/preprocess/parquet.js';
import { InputError, shown } from '../../errors.js';
import { largestRow, tooLarge, type Row } from './row.js';

const notText = Symbol('not UTF-8');
const decode = (bytes: Uint8Array) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);

/** Bytes that a column says are text. */
const stringFromBytes = (bytes: Uint8Array | undefined) => bytes && (isUtf8(bytes) ? decode(bytes) : notText);

/**
 * Rows with all columns, row group by row group. Whole numbers are numbers, times are texts, lists and groups are
 * lists and objects; bytes that are text become it, and others stay as they are.
 *
 * @throws InputError naming the row
 */
export async function* readParquet(path: string): AsyncGenerator<Row> {
  const file = await openParquet(path);
  let row = 0;
  for (let group = 0; group < file.rowGroups; group++)
    for (const values of await file.readRowGroup(group, undefined, {
      utf8: false,
      parsers: { stringFromBytes },
    })) {
      row++;
      let left = largestRow;
      yield Object.fromEntries(
        Object.entries(values).map(([column, value]) => {
          const where = `${path}, row ${row}: ${column}`;
          return [
            column,
            plain(value, where, (characters) => {
              left -= characters;
              if (left < 0) throw tooLarge(where);
            }),
          ];
        }),
      );
    }
}

/** @param take is told of the characters of texts */
function plain(value: unknown, where: string, take: (characters: number) => void): unknown {
  if (value === undefined || value === null) return null;
  if (value === notText) throw new InputError(`${where}: expected text in UTF-8, found other bytes`);
  if (typeof value === 'string') take(value.length);
  if (typeof value === 'bigint') return wholeNumber(value, where);
  if (typeof value !== 'object') return value;
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) {
    take(value.length);
    return isUtf8(value) ? decode(value) : value;
  }
  if (ArrayBuffer.isView(value))
    return Array.from(value as unknown as ArrayLike<unknown>, (inner) => plain(inner, where, take));
  if (Array.isArray(value)) return value.map((inner) => plain(inner, where, take));
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner, where, take)]));
}

function wholeNumber(value: bigint, where: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new InputError(`${where}: expected a whole number of at most 53 bits, found ${shown(String(value))}`);
}
