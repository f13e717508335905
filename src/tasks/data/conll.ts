import { InputError, shown } from '../../errors.js';
import type { Row } from '../task.js';

/**
 * Sentences of a file with a word a line, its label in the last column, and an empty line after each sentence. Columns are
 * divided by tabs, or else by spaces; lines of `-DOCSTART-` and of comments (`# `) are passed over.
 *
 * @throws InputError naming a line without a label
 */
export function* conllRows(text: string, file: string): Generator<Row> {
  let tokens: string[] = [];
  let tags: string[] = [];
  for (const [i, line] of text.split(/\r\n|\n/).entries()) {
    if (line.startsWith('-DOCSTART-') || line.startsWith('# ')) continue;
    if (line.trim() === '') {
      if (tokens.length > 0) yield { tokens, tags };
      [tokens, tags] = [[], []];
      continue;
    }
    const cells = line.includes('\t') ? line.split('\t') : line.trim().split(/ +/);
    if (cells.length < 2)
      throw new InputError(`${file}, line ${i + 1}: expected a word and its label, found ${shown(line)}`);
    tokens.push(cells[0]!);
    tags.push(cells.at(-1)!);
  }
  if (tokens.length > 0) yield { tokens, tags };
}
