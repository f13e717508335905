import { InputError, shown } from '../../errors.js';
import type { Row } from './row.js';

/**
 * Rows with other names of columns, in the same order.
 *
 * @param mapping new names by the old ones
 * @throws InputError for a row without one of them, or where two columns would have one name
 */
export async function* renameColumns(
  rows: AsyncIterable<Row>,
  mapping: Readonly<Record<string, string>>,
): AsyncGenerator<Row> {
  const renamed = new Map(Object.entries(mapping));
  let number = 0;
  for await (const row of rows) {
    number++;
    for (const from of renamed.keys()) columnOf(row, from, number);
    const names = Object.keys(row).map((name) => renamed.get(name) ?? name);
    const twice = names.find((name, i) => names.indexOf(name) < i);
    if (twice !== undefined)
      throw new InputError(`row ${number}: two columns would be called ${shown(twice)}`);
    yield Object.fromEntries(Object.values(row).map((value, i) => [names[i]!, value]));
  }
}

/** The first rows. @param count all there are where they are fewer @throws InputError unless it is a whole number */
export async function* take(rows: AsyncIterable<Row>, count: number): AsyncGenerator<Row> {
  if (!Number.isSafeInteger(count) || count < 0)
    throw new InputError(`expected a number of rows, found ${count}`);
  if (count === 0) return;
  let taken = 0;
  for await (const row of rows) {
    yield row;
    if (++taken === count) return;
  }
}

/** @param number of the row, from 1 @throws InputError where the row has no such column */
export function columnOf(row: Row, column: string, number: number): unknown {
  if (Object.hasOwn(row, column)) return row[column];
  throw new InputError(
    `row ${number}: expected a column ${shown(column)}, found ${Object.keys(row).map(shown).join(', ') || 'none'}`,
  );
}
