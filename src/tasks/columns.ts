/** Which columns of a data set a task reads. */
import { InputError } from '../errors.js';
import type { Row, Rows } from './task.js';

/** The names that data sets have for what a task reads, first come, first taken. */
const known: Readonly<Record<string, readonly string[]>> = {
  text: ['text', 'sentence', 'sentence1', 'premise', 'question1'],
  text_pair: ['text_pair', 'sentence2', 'hypothesis', 'question2'],
  label: ['label', 'labels', 'class', 'category'],
  tokens: ['tokens', 'words'],
  tags: ['tags', 'ner_tags', 'pos_tags', 'labels'],
};

/** By what they are for: the columns of a file, for those that a task reads. */
export type ColumnMapping = Readonly<Record<string, string>>;

/**
 * Names the columns of rows as a task does. Those that are not given are found by their usual names; a text without one is
 * the first column that is no label.
 *
 * @throws InputError where a column that was given is not there
 */
export function renameColumns({ source, rows }: Rows, wanted: readonly string[], given: ColumnMapping): Rows {
  const names = Object.keys(rows[0] ?? {});
  for (const [column, name] of Object.entries(given)) {
    if (!wanted.includes(column))
      throw new InputError(`columns: expected one of ${wanted.join(', ')} to be named, found ${column}`);
    if (rows.length > 0 && !names.includes(name))
      throw new InputError(`${source}: expected a column ${name}, found ${names.join(', ')}`);
  }
  const mapping = { ...given };
  const taken = () => Object.values(mapping);
  for (const column of wanted) {
    const found = (known[column] ?? [column]).find((name) => names.includes(name) && !taken().includes(name));
    if (mapping[column] === undefined && found !== undefined) mapping[column] = found;
  }
  if (wanted.includes('text') && mapping.text === undefined) {
    const first = names.find((name) => !taken().includes(name) && typeof rows[0]![name] === 'string');
    if (first !== undefined) mapping.text = first;
  }
  const entries = Object.entries(mapping);
  const rename = (row: Row): Row => Object.fromEntries(entries.map(([column, name]) => [column, row[name]]));
  return { source, rows: rows.map(rename) };
}
