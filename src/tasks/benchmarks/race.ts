/** RACE: questions about articles, each with four options; Megatron-LM's tasks/race/data.py. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { parseJsonObject } from '../../checkpoint/json-object.js';
import { InputError } from '../../errors.js';
import { parseFields } from '../../model/config.js';
import type { TextTokenizer } from '../../text/text-tokenizer.js';
import type { ChoiceExample } from './multiple-choice.js';
import { cleanText, linesOf } from './python-text.js';

/** Pieces of a question with its option; the rest is cut off. */
export const longestQuestion = 128;

const letters = ['A', 'B', 'C', 'D'] as const;

const articleSchema = z.object({
  article: z.string(),
  questions: z.array(z.string()),
  options: z.array(z.array(z.string()).length(letters.length)),
  answers: z.array(z.enum(letters)),
});

export interface NamedText {
  readonly file: string;
  readonly text: string;
}

/**
 * Numbers the questions of all files. In Megatron-LM's pairs the choice comes first and the article second.
 *
 * @param files JSON objects, one a line, with an `article` and its `questions`, `options` and `answers`
 * @param tokenizer counts the pieces of questions
 * @throws InputError naming the file, the line and the field
 */
export function raceExamples(
  files: readonly NamedText[],
  tokenizer: Pick<TextTokenizer, 'encode'>,
): ChoiceExample[] {
  return files
    .flatMap(({ file, text }) =>
      linesOf(text).flatMap((line, i) => examplesOf(line, `${file}, line ${i + 1}`)),
    )
    .map(({ context, choices, label }, id) => ({
      ...{ id, context, label },
      choices: choices.map((choice) => firstPieces(choice, tokenizer)),
    }));
}

function examplesOf(line: string, where: string): Pick<ChoiceExample, 'context' | 'choices' | 'label'>[] {
  const { article, questions, options, answers } = parseFields(
    articleSchema,
    parseJsonObject(where, line),
    where,
  );
  if (options.length !== questions.length || answers.length !== questions.length)
    throw new InputError(
      `${where}: expected options and an answer for each of ${questions.length} questions, found ${options.length} and ${answers.length}`,
    );
  const context = cleanText(article);
  return questions.map((question, i) => ({
    context,
    choices: options[i]!.map((option) => cleanText(complete(question, option))),
    label: letters.indexOf(answers[i]!),
  }));
}

/** Every `_` of a question is a blank that the option fills. */
const complete = (question: string, option: string) =>
  question.includes('_') ? question.replaceAll('_', () => option) : `${question} ${option}`;

function firstPieces(text: string, { encode }: Pick<TextTokenizer, 'encode'>): string {
  const { offset_mapping } = encode(text, null, { add_special_tokens: false });
  return offset_mapping.length <= longestQuestion
    ? text
    : text.slice(0, offset_mapping[longestQuestion - 1]![1]);
}

/** All `.txt` files of a folder such as `test/high`, by name: Megatron-LM takes them in the file system's order. */
export async function readRace(
  folder: string,
  tokenizer: Pick<TextTokenizer, 'encode'>,
): Promise<ChoiceExample[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw new InputError(`${folder}: expected a folder of RACE, found ${(error as Error).message}`);
  });
  const files = names
    .filter((name) => name.endsWith('.txt'))
    .sort()
    .map((name) => path.join(folder, name));
  if (files.length === 0) throw new InputError(`${folder}: expected .txt files, found none`);
  const read = async (file: string) => ({ file, text: await readFile(file, 'utf8') });
  return raceExamples(await Promise.all(files.map(read)), tokenizer);
}
