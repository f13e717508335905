/** MNLI as GLUE has it: `train.tsv`, `dev_matched.tsv`, `dev_mismatched.tsv` and both tests; Megatron-LM's tasks/glue/mnli.py. */
import { InputError, shown } from '../../errors.js';
import { strip } from './python-text.js';
import { cellNumber, cellText, placeOf, tableRows, type PairExample } from './sentence-pairs.js';

/** By number. */
export const mnliLabels: readonly string[] = ['contradiction', 'entailment', 'neutral'];

const premise = 8;
const hypothesis = 9;
/** A header that ends with the hypothesis is of a test set. */
const testColumns = hypothesis + 1;

/**
 * The id is column 1, the premise 9, the hypothesis 10 and the label the last.
 *
 * @throws InputError naming the row: too few columns, an empty text, or no such label
 */
export function mnliExamples(text: string, file: string): PairExample[] {
  const [header, ...rows] = tableRows(text);
  if (header === undefined) throw new InputError(`${file}: expected a header, found nothing`);
  requireColumns(header, placeOf(file, 0));
  const isTest = header.length === testColumns;
  return rows.map((row, i) => {
    const where = placeOf(file, i + 1);
    requireColumns(row, where);
    return {
      id: cellNumber(row[0]!, `${where}, column 1`),
      text: textIn(row, premise, where),
      text_pair: textIn(row, hypothesis, where),
      label: isTest ? null : labelIn(row, where),
    };
  });
}

function requireColumns(row: readonly string[], where: string): void {
  if (row.length < testColumns)
    throw new InputError(`${where}: expected at least ${testColumns} columns, found ${row.length}`);
}

function textIn(row: readonly string[], column: number, where: string): string {
  const text = cellText(row[column]!);
  if (text === '') throw new InputError(`${where}, column ${column + 1}: expected a text, found none`);
  return text;
}

function labelIn(row: readonly string[], where: string): number {
  const label = mnliLabels.indexOf(strip(row.at(-1)!));
  if (label < 0)
    throw new InputError(
      `${where}, column ${row.length}: expected ${mnliLabels.join(', ')}, found ${shown(row.at(-1))}`,
    );
  return label;
}
