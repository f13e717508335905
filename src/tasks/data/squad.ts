import { InputError } from '../../errors.js';
import { isObject, isText, kindOf, type Row } from './row.js';

/**
 * An article of SQuAD as a row for each question, with the columns that the hub gives them: `answers` has the lists
 * `text` and `answer_start`, of characters as Python counts them, which are empty where the question is impossible.
 * Format: https://rajpurkar.github.io/SQuAD-explorer/
 *
 * @param where of errors
 * @throws InputError where something is not as it should be
 */
export function squadRows(article: Row, where: string): Row[] {
  const title = article.title === undefined ? '' : textIn(article, 'title', where);
  return objectsIn(article, 'paragraphs', where).flatMap((paragraph) => {
    const context = textIn(paragraph, 'context', where);
    return objectsIn(paragraph, 'qas', where).map((asked) => {
      const id = String(isText(asked.id) ? asked.id : numberIn(asked, 'id', where));
      const of = `${where}, question ${id}`;
      // a test's answers may be hidden
      const hasNone = asked.is_impossible === true || asked.answers === undefined;
      const answers = hasNone ? [] : objectsIn(asked, 'answers', of);
      return {
        id,
        title,
        context,
        question: textIn(asked, 'question', of),
        answers: {
          text: answers.map((answer) => textIn(answer, 'text', of)),
          answer_start: answers.map((answer) => numberIn(answer, 'answer_start', of)),
        },
      };
    });
  });
}

function objectsIn(value: Row, key: string, where: string): Record<string, unknown>[] {
  const list = value[key];
  if (Array.isArray(list) && list.every(isObject)) return list;
  throw new InputError(`${where}: ${key}: expected a list of objects, found ${found(list)}`);
}

function textIn(value: Row, key: string, where: string): string {
  const text = value[key];
  if (isText(text)) return text;
  throw new InputError(`${where}: ${key}: expected a text, found ${found(text)}`);
}

function numberIn(value: Row, key: string, where: string): number {
  const number = value[key];
  if (typeof number === 'number') return number;
  throw new InputError(`${where}: ${key}: expected a number, found ${found(number)}`);
}

const found = (value: unknown) => (value === undefined ? 'nothing' : kindOf(value));
