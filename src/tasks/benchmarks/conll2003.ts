/** The files of CoNLL-2003: a word a line with its part of speech, chunk and entity, and an empty line after sentences. */
import { InputError, shown } from '../../errors.js';
import { readConll } from '../data/conll.js';

const columns = 4;

/**
 * Sentences with the last column as it is: the task's own files begin an entity with `B-` only right after another (IOB1).
 *
 * @throws InputError naming a line that has not four columns
 */
export const readConll2003 = (path: string) => readConll(path, columnsOf);

function columnsOf(line: string, where: string): string[] {
  const cells = line.split(' ');
  if (cells.length !== columns || cells.includes(''))
    throw new InputError(`${where}: expected ${columns} columns with a space between, found ${shown(line)}`);
  return cells;
}
