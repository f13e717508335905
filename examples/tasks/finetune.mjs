// Fine-tunes the small model of pretrain.mjs on six tasks (docs/tasks.md):
// node examples/tasks/finetune.mjs [FOLDER] [TASK ...] [options of finetune]
import path from 'node:path';
import { megatronBert } from '../commands.mjs';

const [run = path.join('runs', 'tasks'), ...given] = process.argv.slice(2);
const isOption = given
  .map((word) => word.startsWith('--'))
  .concat(true)
  .indexOf(true);
const [chosen, more] = [given.slice(0, isOption), given.slice(isOption)];
const file = (...names) => path.join(run, ...names);
const model = file('model');
const words = (text) => text.trim().split(/\s+/);

const batches =
  '--per-device-train-batch-size 16 --per-device-eval-batch-size 32 --warmup-ratio 0.1 ' +
  '--hidden-dropout-prob 0.1 --attention-probs-dropout-prob 0.1';
const grouped = `${batches} --train-sampling-strategy group_by_length`;
const runs = {
  mail: {
    task: 'sequence-classification',
    files: ['mail/train.jsonl', 'mail/validation.jsonl', 'mail/test.jsonl'],
    options: `--max-seq-length 256 --num-train-epochs 6 --learning-rate 1e-3 ${grouped}`,
  },
  brown: {
    task: 'token-classification',
    files: ['brown/train.jsonl', 'brown/validation.jsonl', 'brown/test.jsonl'],
    options: `--max-seq-length 128 --num-train-epochs 3 --learning-rate 1e-3 ${grouped}`,
  },
  speeches: {
    task: 'multiple-choice',
    files: ['speeches/train.jsonl', 'speeches/validation.jsonl', 'speeches/test.jsonl'],
    options: `--max-seq-length 128 --num-train-epochs 2 --learning-rate 5e-4 ${grouped}`,
  },
  questions: {
    task: 'question-answering',
    files: ['questions/train.json', 'questions/validation.json', 'questions/cloze.json'],
    options: `--max-seq-length 256 --doc-stride 64 --num-train-epochs 3 --learning-rate 1e-3 ${grouped}`,
  },
  'novel-masked': {
    task: 'masked-lm',
    files: ['novel/train.txt', 'novel/validation.txt'],
    options: `--max-seq-length 128 --num-train-epochs 12 --learning-rate 1e-3 ${batches}`,
  },
  'novel-causal': {
    task: 'causal-lm',
    files: ['novel/train.txt', 'novel/validation.txt'],
    options: `--max-seq-length 128 --num-train-epochs 12 --learning-rate 1e-3 ${batches}`,
  },
};

for (const [name, { task, files, options }] of Object.entries(runs)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  const [train, validation, test] = files.map((name) => file(name));
  const common = ['--task', task, '--model', model, '--validation-file', validation];
  // a language model is one before, too
  if (task.endsWith('-lm'))
    megatronBert([
      ...['evaluate', ...common, '--max-seq-length', '128'],
      ...['--output-dir', file(`${name}-before`)],
    ]);
  megatronBert([
    ...['finetune', ...common, '--train-file', train, ...(test ? ['--test-file', test] : [])],
    ...['--output-dir', file(`${name}-model`), ...words(options), ...more],
  ]);
}
