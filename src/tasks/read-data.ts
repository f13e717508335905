/** The rows of a task's data. */
import { InputError } from '../errors.js';
import { readRows } from './data/rows.js';
import type { DataSource } from './finetune-options.js';
import type { Row, Rows } from './task.js';

/** @param most rows that are taken; all by default */
export async function readSource(source: DataSource, name: string, most = Infinity): Promise<Rows> {
  if (typeof source !== 'string' && source.length > 0 && typeof source[0] !== 'string')
    return { source: name, rows: (source as readonly Row[]).slice(0, most) };
  const files = [source].flat() as string[];
  if (files.length === 0) throw new InputError(`${name}: expected a file, found none`);
  const rows: Row[] = [];
  for (const file of files)
    for await (const row of readRows(file)) {
      if (rows.length >= most) break;
      rows.push(row);
    }
  return { source: files.join(', '), rows };
}
