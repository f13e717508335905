// A small model for the tasks, pretrained on their training texts and on nothing that is held out:
// node examples/tasks/pretrain.mjs [FOLDER] [options of pretrain]
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { megatronBert } from '../commands.mjs';
import { trainingSpeeches } from './data/speeches.mjs';

const [run = path.join('runs', 'tasks'), ...more] = process.argv.slice(2);
const rowsOf = (name) =>
  readFileSync(path.join(run, name, 'train.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

// a document a line: some sentences in a row, of about one length everywhere
const corpus = path.join(run, 'corpus');
mkdirSync(corpus, { recursive: true });
const documents = {
  speeches: trainingSpeeches().flatMap((text) => inGroups(text.split(/(?<=[.!?]) /), 20)),
  mail: rowsOf('mail').map(({ text }) => text),
  brown: inGroups(
    rowsOf('brown').map(({ tokens }) => tokens.join(' ')),
    20,
  ),
  novel: inGroups(
    readFileSync(path.join(run, 'novel', 'train.txt'), 'utf8')
      .trim()
      .split('\n'),
    20,
  ),
};
for (const [name, texts] of Object.entries(documents))
  writeFileSync(
    path.join(corpus, `${name}.jsonl`),
    texts.map((text) => `${JSON.stringify({ text })}\n`).join(''),
  );

const tokenizer = path.join(run, 'tokenizer');
if (!existsSync(tokenizer))
  megatronBert(['train-tokenizer', corpus, '--vocab-size', '8192', '--output', tokenizer]);
// short sequences first: among few positions a small model soon finds the neighbours that tell a word
const sizes = [
  ...['--num-layers', '2', '--hidden-size', '128', '--num-attention-heads', '2'],
  ...['--max-position-embeddings', '256', '--init-method-std', '0.055'],
];
const stages = [
  { name: 'short', length: 32, batch: 64, iterations: 14_000, begin: sizes },
  { name: 'middle', length: 64, batch: 32, iterations: 5_000, begin: goOnFrom('short') },
  { name: 'model', length: 128, batch: 16, iterations: 5_000, begin: goOnFrom('middle') },
];
for (const { name, length, batch, iterations, begin } of stages)
  megatronBert([
    ...['pretrain', corpus, '--tokenizer', tokenizer, '--output', path.join(run, name), ...begin],
    ...['--sequence-length', `${length}`, '--micro-batch-size', `${batch}`],
    ...['--train-iterations', `${iterations}`, '--learning-rate', '1e-3', '--warmup-fraction', '0.05'],
    ...['--adam-beta2', '0.98', '--hidden-dropout', '0', '--attention-dropout', '0'],
    ...['--split', '99,1,0', ...more],
  ]);

function goOnFrom(stage) {
  return ['--load', path.join(run, stage), '--finetune'];
}

function inGroups(texts, size) {
  return Array.from({ length: Math.ceil(texts.length / size) }, (_, i) =>
    texts.slice(i * size, (i + 1) * size).join(' '),
  );
}
