// Fine-tunes as told by a file, and prints how long the steps took: bench/finetune.mjs.
import { readFileSync } from 'node:fs';
import { finetune } from '../dist/tasks/finetune.js';

const { model, trainFile, batchSize, seed, threads, longest, output } = JSON.parse(
  readFileSync(process.argv[2], 'utf8'),
);
const losses = [];
const results = await finetune({
  ...{
    task: 'sequence-classification',
    model,
    train: trainFile,
    output_dir: output,
    overwrite_output_dir: true,
  },
  ...{
    num_train_epochs: 1,
    per_device_train_batch_size: batchSize,
    learning_rate: 1e-4,
    save_strategy: 'no',
  },
  ...{ train_sampling_strategy: 'group_by_length', seed, threads, max_seq_length: longest },
  onEvent: (event) => {
    if (event.kind === 'step') losses.push(event.loss);
  },
});
const last = losses.slice(-20);
console.log(
  JSON.stringify({
    seconds: results.train_runtime,
    loss: last.reduce((sum, loss) => sum + loss, 0) / last.length,
    peakMiB: process.resourceUsage().maxRSS / 1024,
  }),
);
