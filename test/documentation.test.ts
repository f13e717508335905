/** What the documentation tells people to type, typed. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { fixture } from './support/fixture.js';
import { megatronBert, startServing, temporaryFolder, writeChapters } from './support/workspace.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const blocks = (file: string, language: string) =>
  [
    ...readFileSync(path.join(root, file), 'utf8').matchAll(
      new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 'gs'),
    ),
  ].map(([, block]) => block!);

/** `npx megatron-bert …` lines as lists of words. */
const commands = (file: string) =>
  blocks(file, 'sh')
    .flatMap((block) => block.replace(/\\\n/g, ' ').split('\n'))
    .filter((line) => line.startsWith('npx megatron-bert '))
    .map((line) =>
      [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!).slice(2),
    );

// enough to run through; the text says how long real runs are
const short: Readonly<Record<string, readonly string[]>> = {
  pretrain: ['--train-iterations', '2', '--evaluation-sequences', '4', '--overwrite-output-dir'],
  finetune: ['--max-steps', '2', '--overwrite-output-dir'],
};

// NVIDIA's catalogue and the hub, with a small model in the place of the large one
const archive = readFileSync(fixture('megatron/bert-0-1x1-zip-fp32.zip'));
const words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'whale', 'sea'].join('\n');
/** What is at an address, and nothing elsewhere. */
function bodyAt(url: string): Buffer | undefined {
  if (url.endsWith('/v0.1_uncased/zip')) return archive;
  const name = /^\/UFNLP\/gatortron-base\/resolve\/\w+\/([\w.]+)$/.exec(url)?.[1];
  const file = name === undefined ? undefined : fixture(`pipelines/models/masked-lm/${name}`);
  if (file !== undefined) return existsSync(file) ? readFileSync(file) : undefined;
  return url.endsWith('/vocab.txt') ? Buffer.from(words) : undefined;
}
const server = createServer((request, response) => {
  const body = bodyAt(request.url!);
  if (!body)
    return void response
      .writeHead(404, { 'X-Error-Code': 'EntryNotFound', 'X-Repo-Commit': 'd'.repeat(40) })
      .end();
  const etag = createHash('md5').update(body).digest('hex');
  const headers = { 'Content-Length': body.length, ETag: `"${etag}"`, 'X-Repo-Commit': 'd'.repeat(40) };
  response.writeHead(200, headers).end(request.method === 'HEAD' ? undefined : body);
});
beforeAll(async () => {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const name of ['NGC_ENDPOINT', 'HF_ENDPOINT']) vi.stubEnv(name, address);
  vi.stubEnv('HF_HUB_CACHE', path.join(folder, 'cache'));
});
afterAll(() => {
  vi.unstubAllEnvs();
  server.close();
});

// models for tasks are trained elsewhere
const tunedModels = {
  'my-classifier': 'classification',
  'my-tagger': 'ner',
  'my-reader': 'question-answering',
};

/** A few rows of each task. */
function writeRows(): void {
  const context = 'The old whale rose in the cold sea at dawn, and the men were silent.';
  const lines = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  const mail = [
    { text: 'Win a prize now', label: 'spam' },
    { text: 'See you at noon', label: 'ham' },
  ];
  const answers = [{ text: 'at dawn', answer_start: context.indexOf('at dawn') }];
  const question = { id: 'a', question: 'When did the whale rise?', answers };
  const mnliRow = (premise: string, hypothesis: string, label: string) =>
    `${'0\t'.repeat(8)}${premise}\t${hypothesis}\t${label}\n`;
  const mnli = mnliRow('sentence1', 'sentence2', 'gold_label') + mnliRow(context, 'It rose.', 'entailment');
  const files = {
    'mail.jsonl': lines(mail),
    'more-mail.jsonl': lines(mail),
    'words.conll': 'Ahab B-PER\nsailed O\n\nCall O\nIshmael B-PER\n',
    'questions.json': JSON.stringify({ data: [{ title: '', paragraphs: [{ context, qas: [question] }] }] }),
    'choices.jsonl': lines([{ context, choices: ['They rowed.', 'It was noon.'], label: 0 }]),
    // the page's own, but for its twenty runs
    'sweep.json': JSON.stringify({
      ...(JSON.parse(blocks('docs/tasks.md', 'json')[0]!) as object),
      budget: { runs: 2 },
    }),
    'novel.txt': `${context}\n`.repeat(20),
    'train.tsv': mnli + mnliRow(context, 'It was noon.', 'contradiction'),
    'dev_matched.tsv': mnli,
    'wiki.test.tokens': ` = Whale = \n \n ${context} \n`.repeat(3),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
}

// a reader comes with what the page before made
const folder = temporaryFolder();
beforeAll(() => {
  writeChapters(path.join(folder, 'corpus'), 4);
  mkdirSync(path.join(folder, 'node_modules'));
  symlinkSync(root, path.join(folder, 'node_modules', 'megatron-bert'), 'junction');
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
  for (const [name, model] of Object.entries(tunedModels))
    symlinkSync(fixture(`pipelines/models/${model}`), path.join(folder, name), 'junction');
  writeRows();
});

describe.each([
  'README.md',
  'docs/pretraining.md',
  'docs/data.md',
  'docs/inference.md',
  'docs/pipelines.md',
  'docs/conversion.md',
  'docs/planning.md',
  'docs/parallelism.md',
  'docs/tasks.md',
])('%s', (file) => {
  test('its commands', async () => {
    expect(commands(file).length).toBeGreaterThan(0);
    for (const words of commands(file)) {
      // published values are of the large model
      const reference = words.indexOf('--reference');
      const given = reference < 0 ? words : words.toSpliced(reference, 2);
      if (words[0] === 'dashboard') {
        const served = startServing({ cwd: folder }, ...given);
        expect((await fetch(await served.address)).status).toBe(200);
        await served.stop('SIGTERM');
        continue;
      }
      const { code, stderr } = await megatronBert({ cwd: folder }, ...given, ...(short[words[0]!] ?? []));
      expect(code, `${words.join(' ')}\n${stderr}`).toBe(0);
    }
  });

  test('its JavaScript', async () => {
    for (const [i, block] of blocks(file, 'js').entries()) {
      const script = path.join(folder, `example-${i}.js`);
      writeFileSync(script, block);
      await expect(promisify(execFile)(process.execPath, [script], { cwd: folder })).resolves.toBeDefined();
    }
  });
});
