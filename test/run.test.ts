/** `run` as people and programs use it. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { pipeline } from '../src/pipelines/node.js';
import { fixture } from './support/fixture.js';
import { temporaryFolder, type Finished } from './support/workspace.js';

const folder = temporaryFolder();
const modelOf = (name: string) => fixture(`pipelines/models/${name}`);

interface Call {
  readonly stdin?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
}

function run(args: readonly string[], { stdin, env }: Call = {}): Promise<Finished> {
  const main = new URL('../dist/cli/main.js', import.meta.url).pathname;
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [main, 'run', ...args],
      { env: { ...process.env, ...env }, maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
      },
    );
    child.stdin!.end(stdin);
  });
}

/** Numbers rounded: their last bits depend on what is computed together. */
const rounded = (text: string): unknown =>
  JSON.parse(text, (_, value: unknown) => (typeof value === 'number' ? Number(value.toFixed(5)) : value));
const json = ({ stdout }: Finished) => rounded(stdout);

describe('every pipeline, as people read it', () => {
  test.each([
    [
      'fill-mask',
      'masked-lm',
      ['The white [MASK] swam.'],
      /^The white \[MASK\] swam\.\n( {2}\S+ +\d+\.\d %\n){5}$/,
    ],
    [
      'text-classification',
      'classification',
      ['What a voyage!'],
      /^What a voyage!\n {2}(calm|stormy|foggy) +\d+\.\d %\n$/,
    ],
    ['token-classification', 'ner', ['Call me Ishmael.'], /^Call me Ishmael\.|^Call/],
    [
      'question-answering',
      'question-answering',
      ['--context', 'Call me Ishmael.', 'What is the name?'],
      /^What is the name\?\n {2}.+ +\d+\.\d %\n$/,
    ],
    [
      'zero-shot-classification',
      'nli',
      ['--candidate-labels', 'sea, war', 'The whale.'],
      /^The whale\.\n {2}(sea|war) .*\n {2}(sea|war) .*\n$/,
    ],
    [
      'multiple-choice',
      'multiple-choice',
      ['He took', '--choices', 'his hat.', 'the sea.'],
      /^He took\n {2}(his|the) /,
    ],
    [
      'next-sentence',
      'next-sentence',
      ['He left.', '--text-pair', 'She stayed.'],
      /^He left\.\nShe stayed\.\n {2}\w+Next /,
    ],
    ['text-generation', 'causal', ['--max-new-tokens', '4', 'The white whale'], /^The white whale.+\n$/],
    ['feature-extraction', 'model', ['The white whale'], /^The white whale\n {2}\[16\] {2}/],
  ])('%s', async (task, model, args, expected) => {
    const { code, stdout, stderr } = await run([task, '--model', modelOf(model), ...args]);
    expect(stderr).toBe('');
    expect(stdout).toMatch(expected);
    expect(code).toBe(0);
  });
});

describe('as programs read it', () => {
  test('one text gives its result, several a list, both as the pipeline does', async () => {
    const texts = ['The white [MASK].', 'A [MASK] and a [MASK].'];
    const fill = await pipeline('fill-mask', modelOf('masked-lm'));
    const expected = rounded(JSON.stringify(await fill(texts, { top_k: 2 }))) as unknown[];
    await fill.dispose();
    const args = ['fill-mask', '--model', modelOf('masked-lm'), '--top-k', '2', '--json'];
    expect(json(await run([...args, ...texts]))).toEqual(expected);
    expect(json(await run([...args, texts[0]!]))).toEqual(expected[0]);
    expect(json(await run(args, { stdin: texts.join('\n') }))).toEqual(expected);
  });

  test('vectors are lists', async () => {
    const found = await run([
      'feature-extraction',
      '--model',
      modelOf('model'),
      '--normalize',
      '--json',
      'whale',
    ]);
    const vector = json(found) as number[];
    expect(vector).toHaveLength(16);
    expect(vector.reduce((sum, x) => sum + x * x, 0)).toBeCloseTo(1, 4);
  });

  test('nothing on standard input is an empty list', async () => {
    const found = await run(['text-classification', '--model', modelOf('classification'), '--json'], {
      stdin: '',
    });
    expect(json(found)).toEqual([]);
  });

  test('JSON lines have texts, or objects with what a pipeline takes', async () => {
    const lines = [
      JSON.stringify({ question: 'Who?', context: 'Call me Ishmael.' }),
      '',
      JSON.stringify({ question: 'What?', context: 'The white whale.' }),
    ];
    const file = path.join(folder, 'questions.jsonl');
    writeFileSync(file, lines.join('\n'));
    const args = ['question-answering', '--model', modelOf('question-answering'), '--json'];
    const fromFile = await run([...args, '--file', file]);
    expect(json(fromFile)).toHaveLength(2);
    expect(json(await run([...args, '--json-lines'], { stdin: lines.join('\n') }))).toEqual(json(fromFile));
  });

  test('a file of results is whole, or not there', async () => {
    const output = path.join(folder, 'labels.jsonl');
    const args = ['text-classification', '--model', modelOf('classification'), '--output', output];
    const { code, stdout } = await run([...args, '--top-k', 'all'], { stdin: 'one\ntwo\n' });
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    const lines = readFileSync(output, 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as unknown[]).length)).toEqual([3, 3]);

    const before = readdirSync(folder);
    const failed = await run([
      'text-classification',
      '--model',
      'nowhere/at all',
      '--output',
      `${output}.2`,
      'text',
    ]);
    expect(failed.code).toBe(2);
    expect(readdirSync(folder)).toEqual(before);
  });
});

test('on a terminal probabilities are bars, and entities have colours', async () => {
  const env = { FORCE_COLOR: '1' };
  const filled = await run(['fill-mask', '--model', modelOf('masked-lm'), 'The [MASK].'], { env });
  expect(filled.stdout).toContain('█');
  const found = await run(['ner', '--model', modelOf('ner'), 'Ishmael and 白鲸 Queequeg.'], { env });
  const underlined = '\u001b[4m';
  expect(found.stdout).toContain(underlined);
});

test('piped it is plain, in CI too', async () => {
  const env = { CI: 'true' };
  const { stdout } = await run(['fill-mask', '--model', modelOf('masked-lm'), 'The [MASK].'], { env });
  expect(stdout).toMatch(/^The \[MASK\]\.\n( {2}\S+ +\d+\.\d %\n){5}$/);
});

describe('bad input is one line, and the rest is computed', () => {
  const fillMask = ['fill-mask', '--model', modelOf('masked-lm'), '--top-k', '1', '--json'];

  test('one text that cannot be used', async () => {
    const { code, stdout, stderr } = await run([...fillMask, 'no mask']);
    expect({ code, stdout, stderr }).toEqual({
      code: 2,
      stdout: '',
      stderr: 'megatron-bert: no [MASK] in "no mask"\n',
    });
  });

  test.each([
    ['no mask', Buffer.from('none here'), 'no [MASK] in "none here"'],
    ['an empty line', Buffer.from(''), 'no [MASK] in ""'],
    ['invalid UTF-8', Buffer.from([0x61, 0xff]), 'not UTF-8'],
    [
      'ten megabytes in one line',
      Buffer.from(`${'the whale '.repeat(2 ** 20)}[MASK]`),
      '1 of 1 [MASK] stand behind the 512 tokens that the model takes',
    ],
  ])('%s between two good lines', async (_, line, message) => {
    const good = Buffer.from('The white [MASK].');
    const newline = Buffer.from('\n');
    const stdin = Buffer.concat([good, newline, line, newline, good]);
    const finished = await run(fillMask, { stdin });
    expect(finished.stderr).toBe(`megatron-bert: line 2: ${message}\n`);
    const [first, second, third] = json(finished) as [unknown, unknown, unknown];
    expect(second).toEqual({ error: message });
    expect(first).toEqual(third);
    expect(finished.code).toBe(2);
  });

  test.each([
    ['no text at all', ['fill-mask', '--file', 'nowhere.txt', '--model'], 'cannot read nowhere.txt'],
    ['no context', ['question-answering', 'Who?', '--model'], '--context or --context-file: expected one'],
    ['a pipeline that there is not', ['summarize', 'text', '--model'], 'unknown'],
    [
      'a strategy that there is not',
      ['token-classification', '--aggregation-strategy', 'best', 'x', '--model'],
      'aggregation_strategy: expected none, simple',
    ],
  ])('%s', async (_, args, message) => {
    const { code, stdout, stderr } = await run([...args, modelOf('ner')]);
    expect(stderr).toContain(message);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  test('a model whose labels are others than its scores', async () => {
    const labels = { 0: 'good', 1: 'bad' };
    const wrong = path.join(folder, 'wrong-labels');
    await copyModel('classification', wrong, { id2label: labels, label2id: undefined });
    const { code, stderr } = await run(['text-classification', '--model', wrong, 'text']);
    expect(stderr).toMatch(/classifier\.weight: expected \[2, 16\] by the configuration, found \[3, 16\]/);
    expect(code).toBe(2);
  });

  test('a tokenizer with more tokens than the model', async () => {
    const wrong = path.join(folder, 'wrong-tokenizer');
    await copyModel('masked-lm', wrong, {});
    const file = path.join(wrong, 'tokenizer.json');
    const tokenizer = JSON.parse(readFileSync(file, 'utf8')) as { model: { vocab: Record<string, number> } };
    for (let id = 800; id < 1000; id++) tokenizer.model.vocab[`zzz${id}`] = id;
    writeFileSync(file, JSON.stringify(tokenizer));
    const { code, stderr, stdout } = await run([...fillMask.with(2, wrong)], {
      stdin: 'The [MASK].\nzzz950 [MASK].\nThe [MASK].',
    });
    expect(stderr).toMatch(/the tokenizer has 1000 tokens, but the model knows 896/);
    expect(stderr).toMatch(/line 2: "zzz950" is token 950, but the model knows 896/);
    expect((rounded(stdout) as unknown[]).length).toBe(3);
    expect(code).toBe(2);
  });
});

async function copyModel(name: string, target: string, config: object): Promise<void> {
  const { cp } = await import('node:fs/promises');
  await cp(modelOf(name), target, { recursive: true });
  const file = path.join(target, 'config.json');
  const fields = JSON.parse(readFileSync(file, 'utf8')) as object;
  writeFileSync(file, JSON.stringify({ ...fields, ...config }));
  expect(existsSync(file)).toBe(true);
}
