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
const short = path.join(run, 'short');
const pretrain = (output, options) =>
  megatronBert([
    ...['pretrain', corpus, '--tokenizer', tokenizer, '--output', output, ...options],
    ...['--split', '99,1,0', '--warmup-fraction', '0.05', '--adam-beta2', '0.98'],
    ...['--hidden-dropout', '0', '--attention-dropout', '0', ...more],
  ]);
pretrain(short, [
  ...['--num-layers', '2', '--hidden-size', '128', '--num-attention-heads', '2'],
  ...['--max-position-embeddings', '256', '--init-method-std', '0.055'],
  ...['--sequence-length', '32', '--micro-batch-size', '64', '--train-iterations', '14000'],
  ...['--learning-rate', '1e-3'],
]);
pretrain(path.join(run, 'model'), [
  ...['--load', short, '--finetune', '--sequence-length', '128', '--micro-batch-size', '16'],
  ...['--train-iterations', '4000', '--learning-rate', '5e-4'],
]);

function inGroups(texts, size) {
  return Array.from({ length: Math.ceil(texts.length / size) }, (_, i) =>
    texts.slice(i * size, (i + 1) * size).join(' '),
  );
}
