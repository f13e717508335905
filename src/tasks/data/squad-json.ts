import { InputError, shown } from '../../errors.js';
import type { Row } from '../task.js';

interface Question {
  readonly id?: unknown;
  readonly question?: unknown;
  readonly is_impossible?: unknown;
  readonly answers?: unknown;
}

/**
 * The questions of SQuAD's own files, as `datasets` has them: { id, title, context, question, answers: { text: [],
 * answer_start: [] } }. One without an answer has empty lists.
 *
 * @param articles the file's `data`
 * @throws InputError naming what is not as it should be
 */
export function* squadRows(articles: readonly Row[], file: string): Generator<Row> {
  for (const [i, { title = '', paragraphs }] of articles.entries()) {
    const where = `${file}: data ${i + 1}`;
    for (const [j, paragraph] of listOf(paragraphs, `${where}: paragraphs`).entries()) {
      const { context, qas } = paragraph as { readonly context?: unknown; readonly qas?: unknown };
      for (const each of listOf(qas, `${where}, paragraph ${j + 1}: qas`)) {
        const { id, question, answers, is_impossible } = each as Question;
        const given =
          is_impossible === true
            ? []
            : answers === undefined
              ? undefined
              : listOf(answers, `${where}, paragraph ${j + 1}: answers`);
        const all = given as
          readonly { readonly text?: unknown; readonly answer_start?: unknown }[] | undefined;
        yield {
          ...{ id, title, context, question },
          ...(all && {
            answers: {
              text: all.map(({ text }) => text),
              answer_start: all.map(({ answer_start }) => answer_start),
            },
          }),
        };
      }
    }
  }
}

function listOf(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value) || !value.every((each) => typeof each === 'object' && each !== null))
    throw new InputError(`${where}: expected a list of objects, found ${shown(value)}`);
  return value;
}
