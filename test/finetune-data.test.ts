/** Data that fine-tuning takes from the hub, and what it refuses. */
import { cpSync, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { FinetuneOptions } from '../src/index.js';
import { folder, model, rows, run } from './support/fine-tuning.js';
import { localHub } from './support/local-hub.js';
import { built } from './support/package.js';

describe('bad input is named, and nothing is written', () => {
  const refused = (more: Partial<FinetuneOptions>, message: RegExp) =>
    expect(run({ output_dir: path.join(folder, 'refused'), ...more })).rejects.toThrow(message);

  test.each<[string, () => Partial<FinetuneOptions>, RegExp]>([
    [
      'a label that training does not know',
      () => ({ validation: [...rows.slice(80, 83), { text: 'Whale.', label: 'huge' }] }),
      /^validation: row 4: label: expected one of those of training, long, short, found "huge"$/,
    ],
    [
      'a row without a label',
      () => ({ train: [...rows.slice(0, 3), { text: 'Whale.' }] }),
      /^train: row 4: label: expected/,
    ],
    [
      'an empty validation',
      () => ({ validation: [] }),
      /^validation: expected at least one row, found none$|expected a file/,
    ],
    [
      'a text that is none',
      () => ({ train: [{ text: ['a'], label: 'x' }] }),
      /^train: row 1: text: expected a text/,
    ],
    [
      'a length beyond the model',
      () => ({ max_seq_length: 1000 }),
      /^max_seq_length: expected at most the model's 512 positions, found 1000$/,
    ],
    [
      'a column that is not there',
      () => ({ columns: { text: 'review' } }),
      /^train: expected a column review, found text, label$/,
    ],
    [
      'checkpoints and evaluations apart',
      () => ({ save_strategy: 'no', load_best_model_at_end: true }),
      /^load_best_model_at_end: expected/,
    ],
    [
      'a rate that is none',
      () => ({ learning_rate: -1 }),
      /^learning_rate: expected a number of 0 or more, found -1$/,
    ],
    [
      'class weights for other classes',
      () => ({ class_weights: [1, 2, 3] }),
      /^class_weights: expected 2 numbers/,
    ],
    [
      'an adapter of a matrix that is none',
      () => ({ lora: { target_modules: ['word_embeddings'] } }),
      /^lora_target_modules: expected names of matrices of the model, such as query or output.dense, found word_embeddings$/,
    ],
    [
      'more stages than layers',
      () => ({ pipeline_parallel_size: 3 }),
      /^pipeline-parallel size: expected at most 2/,
    ],
  ])('%s', async (_, more, message) => {
    await refused(more(), message);
    expect(existsSync(path.join(folder, 'refused'))).toBe(false);
  });

  test('a folder with something to lose, and a checkpoint of another run', async () => {
    const output = path.join(folder, 'taken');
    cpSync(path.join(folder, 'novel'), output, { recursive: true });
    await expect(run({ output_dir: output })).rejects.toThrow(/is not empty: choose another/);
    await expect(run({ output_dir: output, resume_from_checkpoint: true })).rejects.toThrow(
      /expected a checkpoint-N/,
    );
  });

  test('answers outside their context, and words without as many labels', async () => {
    const question = { id: 'a', question: 'Who?', context: 'Ishmael called.' };
    await refused(
      {
        task: 'question-answering',
        train: [{ ...question, answers: { text: ['Ahab'], answer_start: [40] } }],
        validation: [],
      },
      /^train: row 1: answers: expected "Ahab" at character 40 of the context, found ""$|expected a file/,
    );
    await refused(
      { task: 'token-classification', train: [{ tokens: ['Call', 'me'], tags: ['O'] }] },
      /^train: row 1: tags: expected 2, one for each word, found 1$/,
    );
  });
});

describe('a data set of the hub', () => {
  const hub = localHub();
  const card = `---
dataset_info:
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': short
          '1': long
---
`;

  test('is downloaded once, and its classes have their names', async () => {
    const split = (part: typeof rows) =>
      Buffer.from(
        part
          .map(({ text, label }) => `${JSON.stringify({ text, label: label === 'long' ? 1 : 0 })}\n`)
          .join(''),
      );
    hub.files.set('README.md', Buffer.from(card));
    hub.files.set('train.jsonl', split(rows.slice(0, 40)));
    hub.files.set('validation.jsonl', split(rows.slice(80)));
    const trained = await built.finetune({
      dataset_name: 'some/data',
      max_steps: 2,
      task: 'sequence-classification',
      model: model('model'),
      output_dir: path.join(folder, 'from-hub'),
      max_seq_length: 64,
    });
    expect(trained.train_samples).toBe(40);
    expect(trained.eval_samples).toBe(rows.length - 80);
    const config = JSON.parse(readFileSync(path.join(folder, 'from-hub', 'config.json'), 'utf8')) as object;
    expect(config).toMatchObject({ id2label: { 0: 'long', 1: 'short' } });
    expect(hub.gets('train.jsonl')).toHaveLength(1);
  });

  test('that is not there, or a hub that fails, is named, and nothing is written', async () => {
    const given = {
      task: 'sequence-classification',
      model: model('model'),
      output_dir: path.join(folder, 'refused'),
    } as const;
    await expect(built.finetune({ ...given, dataset_name: 'some/other' })).rejects.toThrow(/some\/other/);
    hub.instead = (_, response) => {
      response.writeHead(503).end();
      return true;
    };
    await expect(
      built.finetune({ ...given, dataset_name: 'some/data', dataset_revision: 'next' }),
    ).rejects.toThrow(/503/);
    expect(existsSync(path.join(folder, 'refused'))).toBe(false);
  });
});
