/** What transformers' pipelines answer (parity/make_pipeline_fixtures.py), asked again. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { pipeline } from '../src/pipelines/node.js';
import type { TaskName } from '../src/pipelines/pipelines.js';
import { codePointOffsets, fixture, readJson } from './support/fixture.js';
import { temporaryFolder } from './support/workspace.js';

type Options = Readonly<Record<string, unknown>>;

interface Case {
  readonly name: string;
  readonly task: TaskName;
  readonly model: string;
  readonly inputs: unknown;
  readonly options: Options;
  readonly output: unknown;
}

const { transformers, cases } = readJson(fixture('pipelines/cases.json')) as {
  readonly transformers: string;
  readonly cases: readonly Case[];
};

test(`${cases.length} cases of transformers ${transformers}`, () => {
  expect(cases.length).toBeGreaterThanOrEqual(100);
});

describe.each([...new Set(cases.map(({ task }) => task))])('%s', (task) => {
  test.each(cases.filter((one) => one.task === task))('$name', async (one) => {
    const { inputs, options, model_max_length } = asked(one);
    const run = await load(one, model_max_length);
    const results = toLists(one, await run(inputs, options));
    expectClose(results, answers(one), []);
  });
});

type AnyPipeline = ((inputs: unknown, options: Options) => Promise<unknown>) & { dispose(): Promise<void> };

const folder = temporaryFolder();
const loaded = new Map<string, Promise<AnyPipeline>>();
afterAll(async () => {
  for (const one of loaded.values()) await (await one).dispose();
});

function load({ task, model }: Case, maxLength: unknown): Promise<AnyPipeline> {
  const key = `${task} ${model} ${String(maxLength)}`;
  const known = loaded.get(key);
  if (known) return known;
  const saved = fixture(`pipelines/models/${model}`);
  const own = maxLength === undefined ? saved : withMaxLength(saved, maxLength, path.join(folder, key));
  const opened = pipeline(task, own, { warn: () => undefined }) as unknown as Promise<AnyPipeline>;
  loaded.set(key, opened);
  return opened;
}

function withMaxLength(saved: string, model_max_length: unknown, target: string): string {
  cpSync(saved, target, { recursive: true });
  const file = path.join(target, 'tokenizer_config.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as object;
  writeFileSync(file, JSON.stringify({ ...config, model_max_length }));
  return target;
}

interface Question {
  readonly question: string | readonly string[];
  readonly context: string | readonly string[];
}

/** Python's keyword arguments, as a call is written here. */
function asked({ task, inputs, options }: Case): {
  readonly inputs: unknown;
  readonly options: Options;
  readonly model_max_length: unknown;
} {
  // texts are always cut; Python has to be told, and where
  const { model_max_length, tokenizer_kwargs, ...rest } = options;
  const { max_length } = (tokenizer_kwargs ?? {}) as { readonly max_length?: number };
  return {
    inputs: task === 'question-answering' ? questions(inputs as Question) : inputs,
    options: rest,
    model_max_length: model_max_length ?? max_length,
  };
}

const questions = ({ question, context }: Question): unknown =>
  typeof question === 'string'
    ? { question, context }
    : question.map((one, i) => ({
        question: one,
        context: typeof context === 'string' ? context : context[i],
      }));

const isList = ({ task, inputs, options }: Case): boolean => {
  if (task === 'question-answering') return Array.isArray((inputs as Question).question);
  const isWords = options.is_split_into_words && typeof (inputs as unknown[])[0] === 'string';
  return Array.isArray(inputs) && !isWords;
};

/** A list with an answer for each input. */
function toLists(one: Case, found: unknown): unknown {
  if (one.task === 'feature-extraction') return (found as { tolist(): unknown[] }).tolist();
  return isList(one) ? found : [found];
}

/** Where Python unwraps or wraps a result that is the only one. */
function answers(one: Case): unknown {
  const { task, options, output } = one;
  const outputs = output as unknown[];
  if (task === 'feature-extraction') {
    const all =
      options.pooling === undefined && isList(one) ? outputs.map((text) => (text as unknown[])[0]) : outputs;
    return padded(all as (number | number[])[][]);
  }
  const isWrapped = options.is_split_into_words === true && !isList(one);
  const list = isWrapped ? outputs : isList(one) && !isUnwrapped(one) ? outputs : [output];
  const shaped = list.map((answer) => {
    if (task === 'text-classification' && !isList(one)) return [answer].flat();
    const isSingleLabel =
      task === 'text-classification' && (options.top_k ?? 1) === 1 && options.top_k !== null;
    return isSingleLabel && Array.isArray(answer) ? (answer as unknown[])[0] : answer;
  });
  return shaped.map((answer, i) => withUnits(answer, textOf(one, i)));
}

/** A list of one text is unwrapped by some of Python's pipelines. */
const isUnwrapped = ({ task, inputs }: Case) =>
  (task === 'fill-mask' && (inputs as unknown[]).length === 1) ||
  (task === 'question-answering' && (inputs as Question).question.length === 1);

function padded(texts: readonly (number | number[])[][]): unknown {
  const width = texts[0]![0]!;
  if (typeof width === 'number') return texts;
  const longest = Math.max(...texts.map(({ length }) => length));
  const zeros = width.map(() => 0);
  return texts.map((text) => [...text, ...new Array<number[]>(longest - text.length).fill(zeros)]);
}

/** What an answer's places are in. */
function textOf({ task, inputs, options }: Case, i: number): string | undefined {
  if (task === 'question-answering') {
    const { context } = inputs as Question;
    return typeof context === 'string' ? context : context[i];
  }
  if (task !== 'token-classification') return undefined;
  if (typeof inputs === 'string') return inputs;
  const list = inputs as (string | string[])[];
  const words = options.is_split_into_words && typeof list[0] === 'string' ? (list as string[]) : list[i]!;
  return typeof words === 'string' ? words : words.join((options.delimiter as string | undefined) ?? ' ');
}

/** Python counts code points. */
function withUnits(answer: unknown, text: string | undefined): unknown {
  if (text === undefined) return answer;
  if (Array.isArray(answer)) return answer.map((one) => withUnits(one, text));
  const { start, end, ...rest } = answer as { start: number; end: number };
  const convert = codePointOffsets(text);
  return { ...rest, start: convert(start), end: convert(end) };
}

/** Equal, numbers within 1e-4; places exactly. */
function expectClose(found: unknown, expected: unknown, place: readonly (string | number)[]): void {
  const where = place.join('.');
  if (typeof expected === 'number' && !Number.isInteger(expected)) {
    expect(Math.abs((found as number) - expected), `${where}: ${found as number}, ${expected}`).toBeLessThan(
      1e-4,
    );
  } else if (Array.isArray(expected)) {
    expect(found, where).toHaveLength(expected.length);
    expected.forEach((value, i) => {
      expectClose((found as unknown[])[i], value, [...place, i]);
    });
  } else if (typeof expected === 'object' && expected !== null) {
    expect(Object.keys(found as object).sort(), where).toEqual(Object.keys(expected).sort());
    for (const [key, value] of Object.entries(expected))
      expectClose((found as Record<string, unknown>)[key], value, [...place, key]);
  } else if (place.at(-1) === 'score') expect(found, where).toBeCloseTo(expected as number, 4);
  else expect(found, where).toBe(expected);
}
