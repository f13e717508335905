import { InputError, shown } from '../../errors.js';
import { largestRow, tooLarge, type Row } from './row.js';
import { readLines } from './text.js';

/**
 * Sentences as rows `{tokens, tags}`: of each line the first column and the last. A blank line ends them, and one of
 * `-DOCSTART-`. Format: https://www.clips.uantwerpen.be/conll2003/ner/
 *
 * @param columnsOf the columns of a line, `where` being for errors: by default those between tabs, or else between spaces
 * @throws InputError naming the line
 */
export async function* readConll(
  path: string,
  columnsOf: (line: string, where: string) => readonly string[] = separated,
): AsyncGenerator<Row> {
  let tokens: string[] = [];
  let tags: string[] = [];
  let size = 0;
  for await (const { text, number } of readLines(path)) {
    if (text.trim() !== '' && !/^-DOCSTART-(?:\s|$)/.test(text)) {
      const where = `${path}, line ${number}`;
      const columns = columnsOf(text, where);
      tokens.push(columns[0]!);
      tags.push(columns.at(-1)!);
      size += text.length;
      if (size > largestRow) throw tooLarge(where);
    } else if (tokens.length > 0) {
      yield { tokens, tags };
      [tokens, tags, size] = [[], [], 0];
    }
  }
  if (tokens.length > 0) yield { tokens, tags };
}

function separated(line: string, where: string): string[] {
  const columns = line.includes('\t') ? line.split('\t').map((cell) => cell.trim()) : line.trim().split(/ +/);
  if (columns.length < 2 || columns[0] === '' || columns.at(-1) === '')
    throw new InputError(`${where}: expected a word and a tag, found ${shown(line)}`);
  return columns;
}
