/** What a tagger's report tells of entities, which are not words. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { seqevalMetrics, type EntityScores } from '../src/tasks/metrics/seqeval.js';
import { fixture } from './support/fixture.js';
import { built } from './support/package.js';
import { temporaryFolder } from './support/workspace.js';

/** Each word with its tag after a slash. */
const tagged = (sentence: string) => {
  const words = sentence.split(' ').map((word) => word.split('/') as [string, string?]);
  return { tokens: words.map(([word]) => word), tags: words.map(([, tag = 'O']) => tag) };
};
const train = [
  'Captain/B-PER Ahab/I-PER sailed from Nantucket/B-LOC .',
  'Ishmael/B-PER went to New/B-LOC Bedford/I-LOC .',
  'The whale saw Ahab/B-PER and Captain/B-PER Peleg/I-PER .',
].map(tagged);
const validation = [
  'Captain/B-PER Peleg/I-PER went to Nantucket/B-LOC .',
  'Ahab/B-PER saw New/B-LOC Bedford/I-LOC and the Bedford/B-LOC whale .',
].map(tagged);

test('precision, recall and F1 of each type are those of seqeval', async () => {
  const output = path.join(temporaryFolder(), 'tagger');
  await built.finetune({
    ...{ task: 'token-classification', model: fixture('pipelines/models/model'), train, validation },
    ...{ output_dir: output, max_steps: 40, learning_rate: 1e-2, load_best_model_at_end: false, threads: 1 },
  });
  const predicted = readFileSync(path.join(output, 'eval_predictions.txt'), 'utf8').trim().split('\n');
  const expected = seqevalMetrics(
    predicted.map((line) => line.split(' ')),
    validation.map(({ tags }) => tags),
  );
  const cells = ({ precision, recall, f1, number }: EntityScores) => [
    ...[precision, recall, f1].map((score) => score.toFixed(3)),
    String(number),
  ];
  const [per, loc] = [expected.PER, expected.LOC] as EntityScores[];
  // what is found of one type, and not of the other, tells columns apart
  expect(new Set([...cells(per!), ...cells(loc!)]).size).toBeGreaterThan(3);
  const { overall_precision: precision, overall_recall: recall, overall_f1: f1 } = expected;
  const page = readFileSync(path.join(output, 'report.html'), 'utf8');
  const table = /aria-label="Metrics of each entity".*?<\/table>/s.exec(page)![0];
  const rows = [...table.matchAll(/<th scope="row"[^>]*>([^<]*)<\/th>(.*?)<\/tr>/g)].map(
    ([, name, found]) => [name, ...[...found!.matchAll(/<td[^>]*>([^<]*)</g)].map(([, text]) => text)],
  );
  expect(rows).toEqual([
    ['LOC', ...cells(loc!)],
    ['PER', ...cells(per!)],
    ['All entities', ...cells({ precision, recall, f1, number: 5 })],
  ]);
});
