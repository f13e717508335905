import { beforeAll, describe, expect, it } from 'vitest';
import { fixture, readJson } from '../../../test/support/fixture.js';
import { readAnyTokenizer } from '../../text/tokenizer-files.js';
import { isPredicted, lambadaResult, lambadaSamples } from './lambada.js';

interface Expected {
  readonly samples: readonly { readonly input_ids: readonly number[]; readonly labels: readonly number[] }[];
  readonly correct: number;
  readonly total: number;
  readonly accuracy: number;
}
const file = readJson(fixture('benchmarks/lambada.json')) as {
  readonly text: string;
  readonly pad: number;
  readonly plain: Expected;
  readonly strict: Expected;
};

let encode: (text: string) => readonly number[];
beforeAll(async () => {
  const tokenizer = await readAnyTokenizer(fixture('gpt2-tokenizer/plain'));
  encode = (text) => tokenizer.tokenize(text);
});
const samplesOf = (text: string, isStrict: boolean, sequenceLength = 64) =>
  lambadaSamples(text, 'lambada.jsonl', encode, { sequenceLength, pad: file.pad, isStrict });
const line = (text: unknown) => JSON.stringify({ text });

describe.each([
  ['plain', false],
  ['strict', true],
] as const)('%s', (name, isStrict) => {
  it("samples are Megatron-LM's", () => {
    const { samples } = file[name];
    const found = samplesOf(file.text, isStrict);
    expect(found.map(({ input_ids }) => [...input_ids])).toEqual(samples.map(({ input_ids }) => input_ids));
    expect(found.map(({ labels }) => [...labels])).toEqual(samples.map(({ labels }) => labels));
  });

  it('accuracy is the share of those that are right', () => {
    const { correct, total, accuracy } = file[name];
    expect(lambadaResult(correct, total)).toEqual({ correct, total, accuracy });
  });

  it('refuses what has nothing before the last', () => {
    expect(() => samplesOf(`${line('a b c')}\n${line('a')}\n`, isStrict)).toThrow(
      'lambada.jsonl, line 2: expected a word and others before it, found "a", 0 and 1 tokens',
    );
    for (const text of ['', ' ']) expect(() => samplesOf(line(text), isStrict)).toThrow('line 1');
  });
});

it('refuses what is longer than the model takes', () => {
  expect(samplesOf(line('a a a a'), false, 3)).toHaveLength(1);
  expect(() => samplesOf(line('a a a a a'), false, 3)).toThrow(
    'line 1: expected at most 3 tokens before the last, found 4',
  );
});

it.each(['{', '[]', '{"test":"a b"}', '{"text":1}', '\n{"text":"a b"}'])('refuses %j', (text) => {
  expect(() => samplesOf(text, false)).toThrow('lambada.jsonl, line 1');
});

it('counts a sample only if all labels are the first choice', () => {
  const labels = Int32Array.of(-100, 5, 6, -100);
  expect(isPredicted(labels, [1, 5, 6, 2])).toBe(true);
  expect(isPredicted(labels, [1, 5, 7, 2])).toBe(false);
  expect(isPredicted(labels, [1, 4, 6, 2])).toBe(false);
});

it('refuses a result of no samples', () => {
  expect(() => lambadaResult(0, 0)).toThrow('at least one sample');
});
