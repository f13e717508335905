/** SWAG: which of four endings follows? Columns and pairs as transformers' run_swag.py has them. */
import { InputError, shown } from '../../errors.js';
import { readCsv } from '../data/csv.js';
import type { ChoiceExample } from './multiple-choice.js';

const endings = ['ending0', 'ending1', 'ending2', 'ending3'];
const columns = ['sent1', 'sent2', ...endings];

/**
 * The context is the first sentence; each choice is the beginning of the second and an ending. Examples are numbered
 * from 0.
 *
 * @param path of comma-separated values with a header; a test set has no `label`
 * @throws InputError naming the row and the column
 */
export async function* readSwag(path: string): AsyncGenerator<ChoiceExample> {
  let id = 0;
  for await (const row of readCsv(path, ',')) {
    const missing = columns.find((name) => !(name in row));
    if (missing !== undefined)
      throw new InputError(`${path}: expected a column ${missing}, found ${Object.keys(row).join(', ')}`);
    yield exampleOf(row as Readonly<Record<string, string>>, id++, path);
  }
}

const exampleOf = (row: Readonly<Record<string, string>>, id: number, path: string): ChoiceExample => ({
  id,
  context: row.sent1!,
  choices: endings.map((ending) => `${row.sent2!} ${row[ending]!}`),
  label: row.label === undefined ? null : labelOf(row.label, `${path}, row ${id + 1}`),
});

function labelOf(cell: string, where: string): number {
  if (!/^[0-3]$/.test(cell))
    throw new InputError(`${where}, column label: expected 0 to 3, found ${shown(cell)}`);
  return Number(cell);
}
