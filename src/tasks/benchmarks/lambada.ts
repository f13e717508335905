/** LAMBADA: is the last word of a passage the model's first choice? Megatron-LM's task of that name (tasks/zeroshot_gpt). */
import { z } from 'zod';
import { parseJsonObject } from '../../checkpoint/json-object.js';
import { InputError, shown } from '../../errors.js';
import { parseFields } from '../../model/config.js';
import { ignoredLabel } from '../../model/losses.js';
import { labelTokens, type LabelledTokens } from './labelled-tokens.js';
import { linesOf, splitWords, strip } from './python-text.js';

const recordSchema = z.object({ text: z.string() });

type Encode = (text: string) => readonly number[];

export interface LambadaOptions {
  /** The most tokens that the model takes. */
  readonly sequenceLength: number;
  /** The token that fills up samples. */
  readonly pad: number;
  /** Whether the whole last word is to be predicted, not only its last token (`--strict-lambada`). */
  readonly isStrict: boolean;
}

/**
 * One sample a line, all as long as the longest. What counts are the tokens of the last word, each after those before it.
 *
 * @param text JSON objects with a `text`, one a line
 * @param encode without special tokens
 * @throws InputError naming the line: no such object, nothing before what is to be predicted, or too many tokens
 */
export function lambadaSamples(
  text: string,
  file: string,
  encode: Encode,
  { sequenceLength, pad, isStrict }: LambadaOptions,
): LabelledTokens[] {
  const samples = linesOf(text).map((line, i) => {
    const where = `${file}, line ${i + 1}`;
    const { text: passage } = parseFields(recordSchema, parseJsonObject(where, line), where);
    const { context, word } = isStrict ? splitStrictly(passage, encode) : splitAtToken(passage, encode);
    if (context.length === 0 || word.length === 0)
      throw new InputError(
        `${where}: expected a word and others before it, found ${shown(passage)}, ${context.length} and ${word.length} tokens`,
      );
    const inputs = context.length + word.length - 1;
    if (inputs > sequenceLength)
      throw new InputError(
        `${where}: expected at most ${sequenceLength} tokens before the last, found ${inputs}`,
      );
    return { context, word };
  });
  const longest =
    samples.reduce((most, { context, word }) => Math.max(most, context.length + word.length), 0) - 1;
  return samples.map(({ context, word }) =>
    labelTokens([...context, ...word], context.length - 1, longest, pad),
  );
}

function splitAtToken(passage: string, encode: Encode) {
  const tokens = encode(passage);
  return { context: tokens.slice(0, -1), word: tokens.slice(-1) };
}

/** The context loses the space before the word, which becomes the word's. */
function splitStrictly(passage: string, encode: Encode) {
  const word = splitWords(passage).at(-1) ?? '';
  const context = encode(strip(passage.slice(0, passage.lastIndexOf(word))));
  return { context, word: encode(` ${word}`) };
}

/** @param predicted the likeliest token at each position: a sample counts if all its labels are, the true ones given */
export const isPredicted = (labels: Int32Array, predicted: ArrayLike<number>): boolean =>
  labels.every((label, position) => label === ignoredLabel || label === predicted[position]);

export interface LambadaResult {
  readonly correct: number;
  readonly total: number;
  /** From 0 to 1. */
  readonly accuracy: number;
}

export function lambadaResult(correct: number, total: number): LambadaResult {
  if (!(total > 0)) throw new InputError(`LAMBADA: expected at least one sample, found ${total}`);
  return { correct, total, accuracy: correct / total };
}
