/** QQP as GLUE has it: `train.tsv`, `dev.tsv` and `test.tsv`; Megatron-LM's tasks/glue/qqp.py. */
import { InputError, shown } from '../../errors.js';
import { cellNumber, cellText, placeOf, tableRows, type PairExample } from './sentence-pairs.js';

/** By number. */
export const qqpLabels: readonly string[] = ['not_duplicate', 'duplicate'];

/** Columns, the first being 0. */
const labelled = { columns: 6, id: 0, text: 3, text_pair: 4, label: 5 };
const test = { columns: 3, id: 0, text: 1, text_pair: 2 };

/**
 * The id is column 1, the questions are 4 and 5 and the label 6; of a test set the questions are 2 and 3.
 *
 * @param warn of labelled rows that are left out: those with other than six columns or without a question
 * @throws InputError naming the row: another header, no number, no such label, or a bad row in a test set
 */
export function qqpExamples(text: string, file: string, warn: (message: string) => void): PairExample[] {
  const [header = [], ...rows] = tableRows(text);
  if (header.length !== labelled.columns && header.length !== test.columns)
    throw new InputError(
      `${placeOf(file, 0)}: expected a header of ${labelled.columns} or ${test.columns} columns, found ${header.length}`,
    );
  const isTest = header.length === test.columns;
  return rows.flatMap((row, i) => {
    const where = placeOf(file, i + 1);
    const problem = problemOf(row, isTest ? test : labelled);
    if (problem === null) return [isTest ? testExample(row, where) : labelledExample(row, where)];
    if (isTest) throw new InputError(`${where}: ${problem}`);
    warn(`${where} is left out: ${problem}`);
    return [];
  });
}

function problemOf(row: readonly string[], { columns, text, text_pair }: typeof test): string | null {
  if (row.length !== columns) return `expected ${columns} columns, found ${row.length}`;
  const empty = [text, text_pair].find((column) => cellText(row[column]!) === '');
  return empty === undefined ? null : `expected a question in column ${empty + 1}, found none`;
}

const testExample = (row: readonly string[], where: string): PairExample => ({
  id: cellNumber(row[test.id]!, `${where}, column ${test.id + 1}`),
  text: cellText(row[test.text]!),
  text_pair: cellText(row[test.text_pair]!),
  label: null,
});

function labelledExample(row: readonly string[], where: string): PairExample {
  const column = `${where}, column ${labelled.label + 1}`;
  const label = cellNumber(row[labelled.label]!, column);
  if (label >= qqpLabels.length)
    throw new InputError(`${column}: expected 0 or 1, found ${shown(row[labelled.label])}`);
  return {
    id: cellNumber(row[labelled.id]!, `${where}, column ${labelled.id + 1}`),
    text: cellText(row[labelled.text]!),
    text_pair: cellText(row[labelled.text_pair]!),
    label,
  };
}
