/** Fine-tuning with the built package, on small models and real text. */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import type { FinetuneOptions, TaskEvent } from '../../src/index.js';
import { fixture, readTensors } from './fixture.js';
import { built } from './package.js';
import { temporaryFolder, writeChapters } from './workspace.js';

/** Where runs leave what they write, until the tests of a file are over. */
export const folder = temporaryFolder();
export const model = (name: string) => fixture(`pipelines/models/${name}`);

/** Sentences of the novel, those with a comma being one class. */
export const rows = sentences();

function sentences() {
  const novel = path.join(folder, 'novel');
  writeChapters(novel, 6);
  const text = readdirSync(novel)
    .map((name) => readFileSync(path.join(novel, name), 'utf8'))
    .join(' ');
  return (text.match(/[A-Z][^.!?]{30,200}[.!?]/g) ?? [])
    .slice(0, 120)
    .map((sentence) => ({ text: sentence, label: sentence.includes(',') ? 'long' : 'short' }));
}

let outputs = 0;

export interface Run {
  readonly output: string;
  readonly results: Readonly<Record<string, number>>;
  readonly losses: readonly number[];
  readonly events: readonly TaskEvent[];
}

/** Fine-tunes on the sentences, or as it is told. */
export async function run(more: Partial<FinetuneOptions> = {}): Promise<Run> {
  const output = more.output_dir ?? path.join(folder, `run-${outputs++}`);
  const events: TaskEvent[] = [];
  const results = await built.finetune({
    task: 'sequence-classification',
    model: model('model'),
    train: rows.slice(0, 80),
    validation: rows.slice(80),
    output_dir: output,
    max_steps: 12,
    learning_rate: 1e-3,
    max_seq_length: 64,
    config: { hidden_dropout_prob: 0.1, attention_probs_dropout_prob: 0.1 },
    threads: 1,
    ...more,
    onEvent: (event) => {
      events.push(event);
      more.onEvent?.(event);
    },
  });
  const losses = events.flatMap((event) => (event.kind === 'step' ? [event.loss] : []));
  return { output, results, losses, events };
}

export const weightsOf = ({ output }: Run, file = 'model.safetensors') =>
  readTensors(path.join(output, file));
export const jsonOf = ({ output }: Run, name: string) =>
  JSON.parse(readFileSync(path.join(output, name), 'utf8')) as Record<string, unknown>;
