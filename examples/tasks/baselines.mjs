// What simple means make of the tasks' data, for a model to be better than:
// node examples/tasks/baselines.mjs [FOLDER] [--tokenizer FOLDER] [--max-seq-length N] [--rows N] [--json]
//
// With the tokenizer of a model the figures of the novel are over its tokens too, in the blocks that fine-tuning cuts, so
// that they compare with the model's. --rows takes the first rows of each file only.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { brownBaselines } from './baselines/brown.mjs';
import { mailBaselines } from './baselines/mail.mjs';
import { novelBaselines } from './baselines/novel.mjs';
import { questionBaselines } from './baselines/questions.mjs';
import { speechBaselines } from './baselines/speeches.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tokenizer: { type: 'string' },
    'max-seq-length': { type: 'string', default: '128' },
    rows: { type: 'string', default: 'Infinity' },
    json: { type: 'boolean', default: false },
  },
});
const folder = positionals[0] ?? path.join('runs', 'tasks', 'data');
const most = Number(values.rows);

const lines = (name) => readFileSync(path.join(folder, name), 'utf8').trimEnd().split('\n').slice(0, most);
const rows = (name) => lines(name).map((line) => JSON.parse(line));
const splits = (task, names = ['train', 'validation', 'test']) =>
  Object.fromEntries(names.map((name) => [name, rows(`${task}/${name}.jsonl`)]));
const questions = (name) =>
  JSON.parse(readFileSync(path.join(folder, 'questions', `${name}.json`), 'utf8'))
    .data.flatMap(({ paragraphs }) => paragraphs)
    .flatMap(({ context, qas }) => qas.map((question) => ({ ...question, context })))
    .slice(0, most);

const results = [
  ...mailBaselines(splits('mail')),
  ...brownBaselines(splits('brown')),
  ...(await novelBaselines(
    { train: lines('novel/train.txt'), validation: lines('novel/validation.txt') },
    values.tokenizer,
    Number(values['max-seq-length']),
  )),
  ...speechBaselines(splits('speeches')),
  ...questionBaselines({
    train: questions('train'),
    validation: questions('validation'),
    cloze: questions('cloze'),
  }),
];

if (values.json) console.log(JSON.stringify(results, null, 2));
else
  for (const { task, baseline, split, metric, value } of results) {
    const shown = metric === 'perplexity' ? value.toFixed(1) : `${(100 * value).toFixed(1)} %`;
    console.log([task.padEnd(10), baseline.padEnd(46), split.padEnd(12), metric.padEnd(13), shown].join(''));
  }
