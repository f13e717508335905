import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { InputError } from '../../errors.js';
import { createProgress } from '../progress.js';
import { readLines } from './lines.js';

/** An input of a pipeline, or what is wrong with what was given. */
export type Given = {
  /** "line 3", or "text 3" of several. */
  readonly where: string;
} & ({ readonly input: unknown } | { readonly error: InputError });

export interface InputOptions {
  /** Instead of texts among the arguments. */
  readonly file?: string;
  /** Whether lines are JSON, as those of a `.jsonl` file are. */
  readonly jsonLines?: true;
}

/** Makes a pipeline's input of a text, or of a line's JSON object. @throws InputError */
export interface ToInput {
  readonly text: (text: string) => unknown;
  readonly record: (record: Readonly<Record<string, unknown>>) => unknown;
}

/** What is to be computed: the texts given, or else the lines of a file or of standard input. */
export async function* readInputs(
  texts: readonly string[],
  { file, jsonLines }: InputOptions,
  to: ToInput,
): AsyncGenerator<Given> {
  if (texts.length > 0 && file !== undefined)
    throw new InputError('--file: expected no texts beside it, or no --file');
  if (texts.length > 0) {
    for (const [i, text] of texts.entries()) yield { where: `text ${i + 1}`, ...parse(text, to.text) };
    return;
  }
  if (file === undefined && process.stdin.isTTY)
    throw new InputError('expected texts: as arguments, with --file, or from a pipe');
  const isJson = jsonLines ?? path.extname(file ?? '') === '.jsonl';
  const chunks = file === undefined ? process.stdin : await openFile(file);
  let number = 0;
  for await (const line of readLines(chunks as AsyncIterable<Uint8Array>)) {
    number++;
    const where = `line ${number}`;
    if (line instanceof InputError) yield { where, error: line };
    else if (line.trim() !== '' || !isJson)
      yield { where, ...parse(line, isJson ? (text) => fromJson(text, to) : to.text) };
  }
}

function parse(
  text: string,
  toInput: (text: string) => unknown,
): { readonly input: unknown } | { readonly error: InputError } {
  try {
    return { input: toInput(text) };
  } catch (error) {
    if (error instanceof InputError) return { error };
    throw error;
  }
}

function fromJson(line: string, { text, record }: ToInput): unknown {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new InputError(`not JSON: ${(error as Error).message}`);
  }
  if (typeof value === 'string') return text(value);
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return record(value as Record<string, unknown>);
  throw new InputError(`expected a text or an object, found ${line.slice(0, 100)}`);
}

/** With progress, by bytes. */
async function openFile(file: string): Promise<AsyncIterable<Uint8Array>> {
  const found = await stat(file).catch((error: unknown) => {
    throw new InputError(`cannot read ${file}: ${(error as Error).message}`);
  });
  if (!found.isFile()) throw new InputError(`${file} is not a file`);
  return withProgress(createReadStream(file), found.size);
}

async function* withProgress(chunks: AsyncIterable<Buffer>, size: number): AsyncGenerator<Uint8Array> {
  // on a terminal the results are there to be seen
  const progress = process.stdout.isTTY ? undefined : createProgress('reading', 'kB');
  let done = 0;
  try {
    for await (const chunk of chunks) {
      yield chunk;
      done += chunk.length;
      progress?.update(Math.round(done / 1000), Math.round(size / 1000));
    }
  } finally {
    progress?.stop();
  }
}
