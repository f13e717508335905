// Fine-tuning beside transformers' Trainer, in one run: one epoch on real mail, from the same weights, with the same
// batches in the same order, on as many threads: `npm run bench:finetune [-- --python PATH] [--rounds 3] [--mails 1600]`.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createTokenizer, trainWordPiece } from '../dist/index.js';
import { writeTokenizer } from '../dist/text/tokenizer-files.js';
import { epochOrder, stepExamples } from '../dist/train/fine-tuning/sampling.js';
import { measure, median, pairedRatio, printTable, takeTurns } from './measure.mjs';
import { writeRandomModel } from './random-model.mjs';

const { values: flags } = parseArgs({
  options: {
    python: { type: 'string', default: '.venv/bin/python' },
    rounds: { type: 'string', default: '3' },
    mails: { type: 'string', default: '1600' },
    layers: { type: 'string', default: '4' },
    hidden: { type: 'string', default: '512' },
    'max-seq-length': { type: 'string', default: '256' },
    folder: { type: 'string', default: 'bench/results/finetune' },
  },
});
const [batchSize, seed, threads, vocabSize] = [16, 42, 2, 8192];
const [rounds, count, longest] = [flags.rounds, flags.mails, flags['max-seq-length']].map(Number);
const hidden = Number(flags.hidden);
const script = (name) => fileURLToPath(new URL(name, import.meta.url));

mkdirSync(flags.folder, { recursive: true });
const [data, model] = ['data', 'model'].map((name) => path.join(flags.folder, name));
if (!existsSync(data))
  execFileSync(process.execPath, [script('../examples/tasks/make-data.mjs'), data], { stdio: 'inherit' });
const mails = readFileSync(path.join(data, 'mail/train.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .slice(0, count)
  .map((line) => JSON.parse(line));
const trainFile = path.join(flags.folder, 'mails.jsonl');
writeFileSync(trainFile, mails.map((mail) => `${JSON.stringify(mail)}\n`).join(''));

const vocab = await trainWordPiece(
  mails.map(({ text }) => text),
  { vocabSize },
);
const tokenizer = createTokenizer({ vocab, model_max_length: 512 });
await writeRandomModel(
  model,
  {
    ...{ vocab_size: vocabSize, hidden_size: hidden, intermediate_size: 4 * hidden },
    ...{ num_hidden_layers: Number(flags.layers), num_attention_heads: hidden / 64 },
    ...{ hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 },
    ...{ id2label: { 0: 'ham', 1: 'spam' }, label2id: { ham: 0, spam: 1 } },
  },
  'MegatronBertForSequenceClassification',
);
await writeTokenizer(model, tokenizer);

// one order for both, of batches that hold mails of about one length
const lengths = mails.map(
  ({ text }) => tokenizer.encode(text, null, { max_length: longest, truncation: true }).input_ids.length,
);
const sampling = { strategy: 'group_by_length', seed, microBatchSize: batchSize, microBatches: 1 };
const order = epochOrder(lengths, 0, sampling);
const batches = Array.from({ length: Math.ceil(order.length / batchSize) }, (_, step) =>
  stepExamples(order, step, sampling, 1)[0].filter((example) => example >= 0),
);
const task = path.join(flags.folder, 'task.json');
writeFileSync(
  task,
  JSON.stringify({
    model,
    trainFile,
    batches,
    batchSize,
    seed,
    threads,
    longest,
    output: path.join(flags.folder, 'out'),
  }),
);

const measured = takeTurns(rounds, {
  ours: () => measure(process.execPath, [script('finetune-ours.mjs'), task]),
  ...(existsSync(flags.python)
    ? { transformers: () => measure(flags.python, [script('peers/transformers_finetune.py'), task]) }
    : {}),
});
const of = (name, value) => median((measured[name] ?? []).map(value));
printTable(
  ['', 'seconds', 'mails/s', 'last loss', 'peak MiB', 'speed ×'],
  Object.keys(measured).map((name) => [
    name === 'ours' ? 'megatron-bert' : "transformers' Trainer",
    of(name, ({ seconds }) => seconds).toFixed(1),
    of(name, ({ seconds }) => mails.length / seconds).toFixed(1),
    of(name, ({ loss }) => loss).toFixed(4),
    of(name, ({ peakMiB }) => peakMiB).toFixed(0),
    name === 'ours' ? pairedRatio(measured.transformers, measured.ours, ({ seconds }) => seconds) : '',
  ]),
);
writeFileSync('bench/results/finetune.json', `${JSON.stringify(measured, null, 2)}\n`);
