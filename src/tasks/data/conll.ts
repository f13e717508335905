import { InputError, shown } from '../../errors.js';
import { largestRow, tooLarge, type Row } from './row.js';
import { readLines } from './text.js';

/**
 * Sentences, which blank lines end, as rows `{tokens, tags}`: of each line the first column and the last. Columns are
 * between tabs, or else between spaces. Lines of `-DOCSTART-` are passed over.
 * Format: https://www.clips.uantwerpen.be/conll2003/ner/
 *
 * @throws InputError naming the line
 */
export async function* readConll(path: string): AsyncGenerator<Row> {
  let tokens: string[] = [];
  let tags: string[] = [];
  let size = 0;
  for await (const { text, number } of readLines(path)) {
    const columns = text.includes('\t')
      ? text.split('\t').map((cell) => cell.trim())
      : text.trim().split(/ +/);
    if (columns[0] === '-DOCSTART-') continue;
    if (text.trim() !== '') {
      const [word, tag] = [columns[0]!, columns.at(-1)!];
      if (columns.length < 2 || word === '' || tag === '')
        throw new InputError(`${path}, line ${number}: expected a word and a tag, found ${shown(text)}`);
      tokens.push(word);
      tags.push(tag);
      size += text.length;
      if (size > largestRow) throw tooLarge(`${path}, line ${number}`);
    } else if (tokens.length > 0) {
      yield { tokens, tags };
      [tokens, tags, size] = [[], [], 0];
    }
  }
  if (tokens.length > 0) yield { tokens, tags };
}
