/** SWAG: which of four endings follows? Columns and pairs as transformers' run_swag.py has them. */
import { InputError, shown } from '../../errors.js';
import { parseCsv } from './csv.js';
import type { ChoiceExample } from './multiple-choice.js';

const beginnings = ['sent1', 'sent2'];
const endings = ['ending0', 'ending1', 'ending2', 'ending3'];

/**
 * The context is the first sentence; each choice is the beginning of the second and an ending. Examples are numbered
 * from 0.
 *
 * @param text comma-separated, with a header; a test set has no `label`
 * @throws InputError naming the row and the column
 */
export function swagExamples(text: string, file: string): ChoiceExample[] {
  const [header = [], ...rows] = parseCsv(text, file);
  const missing = [...beginnings, ...endings].find((name) => !header.includes(name));
  if (missing !== undefined)
    throw new InputError(`${file}, row 1: expected a column ${missing}, found ${header.join(', ')}`);
  return rows.map((row, id) => {
    const where = `${file}, row ${id + 2}`;
    if (row.length !== header.length)
      throw new InputError(`${where}: expected ${header.length} columns, found ${row.length}`);
    const cell = (name: string) => row[header.indexOf(name)]!;
    return {
      id,
      context: cell('sent1'),
      choices: endings.map((ending) => `${cell('sent2')} ${cell(ending)}`),
      label: header.includes('label') ? labelOf(cell('label'), where) : null,
    };
  });
}

function labelOf(cell: string, where: string): number {
  if (!/^[0-3]$/.test(cell))
    throw new InputError(`${where}, column label: expected 0 to 3, found ${shown(cell)}`);
  return Number(cell);
}
