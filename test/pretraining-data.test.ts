/** What a pretraining run may be given to read, and how it is shared out. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { built } from './support/package.js';
import { megatronBert, temporaryFolder, writeChapters } from './support/workspace.js';

const folder = temporaryFolder();
const at = (...names: string[]) => path.join(folder, ...names);

const flags = [
  ...[
    '--tokenizer',
    at('tokenizer'),
    '--num-layers',
    '1',
    '--hidden-size',
    '16',
    '--num-attention-heads',
    '2',
  ],
  ...['--sequence-length', '16', '--micro-batch-size', '2', '--train-iterations', '8', '--threads', '1'],
  ...['--learning-rate', '1e-3', '--evaluation-sequences', '4', '--seed', '7'],
];
let runs = 0;
async function pretrain(corpus: readonly string[], ...more: string[]) {
  const output = at(`run-${runs++}`);
  const finished = await megatronBert('pretrain', ...corpus, '--output', output, ...flags, ...more);
  return { ...finished, output };
}
const weights = (output: string) => readFileSync(path.join(output, 'model.safetensors'));

beforeAll(async () => {
  writeChapters(at('corpus'), 24);
  writeChapters(at('few'), 3);
  const made = [
    ['train-tokenizer', at('corpus'), '--vocab-size', '200', '--output', at('tokenizer')],
    ['train-tokenizer', at('few'), '--vocab-size', '180', '--output', at('other')],
    ...(['corpus', 'few'] as const).map((name) => [
      ...['preprocess', at(name), '--tokenizer', at('tokenizer'), '--output-prefix', at(name)],
      ...['--split-sentences', '--longest-sequence', '512'],
    ]),
    [
      ...['preprocess', at('few'), '--tokenizer', at('other'), '--output-prefix', at('foreign')],
      '--split-sentences',
    ],
  ];
  for (const args of made) {
    const { code, stderr } = await megatronBert(...args);
    expect(code, stderr).toBe(0);
  }
}, 60_000);

test('text, and the data set that preprocess makes of it, are trained on alike', async () => {
  const text = await pretrain([at('corpus')]);
  const dataset = await pretrain([at('corpus_text_sentence')]);
  expect(text.code, text.stderr).toBe(0);
  expect(dataset.code, dataset.stderr).toBe(0);
  expect(weights(dataset.output).equals(weights(text.output))).toBe(true);
  // a prefix may be given by either file
  const byFile = await pretrain([at('corpus_text_sentence.bin')]);
  expect(weights(byFile.output).equals(weights(text.output))).toBe(true);
});

test('the split says what is trained on, and what is tested at the end', async () => {
  const { output, code, stderr } = await pretrain([at('corpus')], '--split', '60,20,20');
  expect(code, stderr).toBe(0);
  const summary = JSON.parse(readFileSync(path.join(output, 'summary.json'), 'utf8')) as object;
  expect(summary).toHaveProperty('test_loss');
  const tokens = (text: string) =>
    /([\d,]+) tokens to train on, ([\d,]+) held out/
      .exec(text)!
      .slice(1)
      .map((count) => Number(count.replaceAll(',', '')));
  // of 24 chapters, the first 14 and the next 5
  const dataset = await built.openIndexedDataset(at('corpus_text_sentence'));
  const { documentIndex, lengths } = dataset;
  await dataset.close();
  const tokensOf = (first: number, end: number) =>
    lengths.subarray(documentIndex[first], documentIndex[end]).reduce((sum, length) => sum + length, 0);
  expect(tokens(stderr)).toEqual([tokensOf(0, 14), tokensOf(14, 19)]);
  const [half, otherHalf] = tokens((await pretrain([at('few')], '--split', '50,50')).stderr);
  // sentences of three chapters are shared out
  expect(half! / (half! + otherHalf!)).toBeCloseTo(0.5, 1);
});

describe('blends', () => {
  test('of weights: the same run by any multiple of them, and another by other weights', async () => {
    const blend = (a: string, b: string) => [a, at('corpus_text_sentence'), b, at('few_text_sentence')];
    const [first, same, other] = [
      await pretrain(blend('0.75', '0.25')),
      await pretrain(blend('3', '1')),
      await pretrain(blend('0.25', '0.75')),
    ];
    for (const { code, stderr } of [first, same, other]) expect(code, stderr).toBe(0);
    expect(weights(same.output).equals(weights(first.output))).toBe(true);
    expect(weights(other.output).equals(weights(first.output))).toBe(false);
  });

  test('without weights: by size', async () => {
    const { code, stderr } = await pretrain([at('corpus_text_sentence'), at('few_text_sentence')]);
    expect(code, stderr).toBe(0);
  });
});

test('indices are kept where the next run finds them', async () => {
  const cache = at('cache');
  const run = () => pretrain([at('corpus_text_sentence')], '--data-cache-path', cache);
  const [first] = [await run()];
  const before = readdirSync(cache).map((name) => [name, statSync(path.join(cache, name)).ino]);
  expect(before).toHaveLength(4); // samples and order, of training and evaluation
  const second = await run();
  expect(readdirSync(cache).map((name) => [name, statSync(path.join(cache, name)).ino])).toEqual(before);
  expect(weights(second.output).equals(weights(first.output))).toBe(true);
  expect(existsSync(path.join(second.output, 'data'))).toBe(false);
});

describe('what is refused, in a line', () => {
  const tables = at('tables.jsonl');
  beforeAll(() => {
    mkdirSync(at('nothing'), { recursive: true });
    const row = JSON.stringify({ text: `${'12 '.repeat(3000)}.\n\nA sentence. Another one.` });
    writeFileSync(tables, `${row}\n`.repeat(40));
  });
  test.each([
    ['text and a data set', () => [at('corpus'), at('few_text_sentence')], /data sets or text, found both/],
    [
      'a weight of text',
      () => ['0.5', at('corpus')],
      /expected a data set after the weight 0\.5, found text/,
    ],
    ['a weight of nothing', () => [at('few_text_sentence'), '0.5'], /after the weight 0\.5, found none/],
    [
      'a weight of one of two',
      () => ['0.5', at('few_text_sentence'), at('corpus_text_sentence')],
      /a weight before each of 2 data sets, found 1/,
    ],
    ['another vocabulary', () => [at('foreign_text_sentence')], /it was made with another \(180 tokens\)/],
    ['a folder without text', () => [at('nothing')], /expected files of documents/],
  ])('%s', async (_, corpus, says) => {
    const { code, stderr, output } = await pretrain(corpus());
    expect(stderr.trim()).toMatch(says);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(code).toBe(2);
    expect(existsSync(output)).toBe(false);
  });

  test.each([
    ['949,50,x', /split: expected up to three shares/],
    ['100', /leaves 0 to evaluate with/],
    ['0,100', /leaves 0 to train on/],
  ])('the split %s', async (split, says) => {
    const { code, stderr } = await pretrain([at('corpus')], '--split', split);
    expect(stderr).toMatch(says);
    expect(code).toBe(2);
  });

  test('a line that is not JSON; what was read before is kept for the next run', async () => {
    const lines = readFileSync(tables, 'utf8').repeat(8);
    writeFileSync(at('broken.jsonl'), `${lines}not JSON\n`);
    const { code, stderr } = await pretrain([at('broken.jsonl')]);
    expect(stderr).toMatch(/broken\.jsonl, line 321: not JSON/);
    expect(code).toBe(2);
  });
});

test('long sentences of a text are cut, those of a data set leave their document out, and that is said', async () => {
  const row = (long: boolean) =>
    JSON.stringify({ text: `${long ? `${'whale '.repeat(600)}.` : 'It sank.'} A sail. It was far away.` });
  writeFileSync(at('long.jsonl'), Array.from({ length: 60 }, (_, i) => `${row(i % 3 === 0)}\n`).join(''));
  const text = await pretrain([at('long.jsonl')]);
  expect(text.code, text.stderr).toBe(0);
  expect(text.stderr).not.toContain('left out');
  await megatronBert(
    ...['preprocess', at('long.jsonl'), '--tokenizer', at('tokenizer'), '--output-prefix', at('long')],
    '--split-sentences',
  );
  const dataset = await pretrain([at('long_text_sentence')]);
  expect(dataset.code, dataset.stderr).toBe(0);
  expect(dataset.stderr).toMatch(
    /19 of 57 documents are left out, for they have a sentence of more than 512/,
  );
});
