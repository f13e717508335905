// Fine-tunes the small model of pretrain.mjs on six tasks (docs/tasks.md): node examples/tasks/finetune.mjs [FOLDER] [TASK ...]
import path from 'node:path';
import { megatronBert } from '../commands.mjs';

const [run = path.join('runs', 'tasks'), ...chosen] = process.argv.slice(2);
const file = (...names) => path.join(run, ...names);
const model = file('model');
const files = (name, extension = 'jsonl') => [
  ...['--train-file', file(name, `train.${extension}`)],
  ...['--validation-file', file(name, `validation.${extension}`)],
];
const batches = ['--per-device-train-batch-size', '16', '--per-device-eval-batch-size', '32'];
const grouped = ['--train-sampling-strategy', 'group_by_length', '--warmup-ratio', '0.1'];

const runs = {
  mail: [
    ...['--task', 'sequence-classification', ...files('mail'), '--test-file', file('mail', 'test.jsonl')],
    ...[
      '--max-seq-length',
      '256',
      '--num-train-epochs',
      '6',
      '--learning-rate',
      '1e-3',
      ...batches,
      ...grouped,
    ],
  ],
  brown: [
    ...['--task', 'token-classification', ...files('brown'), '--test-file', file('brown', 'test.jsonl')],
    ...[
      '--max-seq-length',
      '128',
      '--num-train-epochs',
      '3',
      '--learning-rate',
      '1e-3',
      ...batches,
      ...grouped,
    ],
  ],
  speeches: [
    ...['--task', 'multiple-choice', ...files('speeches'), '--test-file', file('speeches', 'test.jsonl')],
    ...[
      '--max-seq-length',
      '128',
      '--num-train-epochs',
      '3',
      '--learning-rate',
      '5e-4',
      ...batches,
      ...grouped,
    ],
  ],
  questions: [
    ...['--task', 'question-answering', ...files('questions', 'json')],
    ...['--test-file', file('questions', 'cloze.json'), '--max-seq-length', '256', '--doc-stride', '64'],
    ...['--num-train-epochs', '3', '--learning-rate', '1e-3', ...batches, ...grouped],
  ],
  'novel-masked': [
    ...['--task', 'masked-lm', ...files('novel', 'txt'), '--max-seq-length', '128'],
    ...['--num-train-epochs', '6', '--learning-rate', '5e-4', ...batches, '--warmup-ratio', '0.1'],
  ],
  'novel-causal': [
    ...['--task', 'causal-lm', ...files('novel', 'txt'), '--max-seq-length', '128'],
    ...['--num-train-epochs', '6', '--learning-rate', '1e-3', ...batches, '--warmup-ratio', '0.1'],
  ],
};

for (const [name, options] of Object.entries(runs)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  const isLanguageModel = name.startsWith('novel');
  if (isLanguageModel)
    megatronBert([
      ...['evaluate', '--task', options[1], '--model', model, '--max-seq-length', '128'],
      ...['--validation-file', file('novel', 'validation.txt'), '--output-dir', file(`${name}-before`)],
    ]);
  megatronBert(['finetune', '--model', model, ...options, '--output-dir', file(`${name}-model`)]);
}
