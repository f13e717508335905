/** The files of CoNLL-2003: a word a line with its part of speech, chunk and entity, and an empty line after sentences. */
import { InputError, shown } from '../../errors.js';
import { linesOf } from './python-text.js';

export interface TaggedSentence {
  readonly id: number;
  readonly words: readonly string[];
  /** The last column as it is: the task's own files begin an entity with `B-` only right after another (IOB1). */
  readonly tags: readonly string[];
}

const columns = 4;

/**
 * Sentences, numbered from 0. Lines of `-DOCSTART-` are none.
 *
 * @throws InputError naming a line that has not four columns
 */
export function conll2003Sentences(text: string, file: string): TaggedSentence[] {
  const sentences: { words: string[]; tags: string[] }[] = [];
  let isInside = false;
  for (const [i, line] of linesOf(text).entries()) {
    const isWord = line !== '' && !line.startsWith('-DOCSTART-');
    if (isWord) {
      if (!isInside) sentences.push({ words: [], tags: [] });
      const cells = line.split(' ');
      if (cells.length !== columns || cells.includes(''))
        throw new InputError(
          `${file}, line ${i + 1}: expected ${columns} columns with a space between, found ${shown(line)}`,
        );
      sentences.at(-1)!.words.push(cells[0]!);
      sentences.at(-1)!.tags.push(cells[columns - 1]!);
    }
    isInside = isWord;
  }
  return sentences.map((sentence, id) => ({ id, ...sentence }));
}
