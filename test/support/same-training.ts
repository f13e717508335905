/** Whether a run of fine-tuning is the one of transformers' Trainer that a fixture has. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';
import type { TaskEvent } from '../../src/tasks/finetune-options.js';
import type { TaskName } from '../../src/tasks/tasks.js';
import { difference, readJson } from './fixture.js';
import type { Run } from './task-fixtures.js';

export interface FoundRun extends Pick<Run, 'loss' | 'gradient_norm' | 'learning_rate'> {
  readonly results: Readonly<Record<string, number>>;
}

/** Listens to a run's events. */
export function recorder() {
  const steps: (readonly [number, number, number])[] = [];
  const losses: number[] = [];
  return {
    onEvent: (event: TaskEvent) => {
      if (event.kind === 'step') losses.push(event.loss);
      if (event.kind === 'log' && 'grad_norm' in event.values) {
        const { loss, grad_norm, learning_rate } = event.values;
        steps.push([loss!, grad_norm, learning_rate!]);
      }
    },
    found: (results: Readonly<Record<string, number>>): FoundRun => {
      expect(steps.map(([loss]) => loss)).toEqual(losses);
      return {
        ...{ results, loss: losses, gradient_norm: steps.map(([, norm]) => norm) },
        learning_rate: steps.map(([, , rate]) => rate),
      };
    },
  };
}

export function expectSameRun(found: FoundRun, run: Run): void {
  const { loss, gradient_norm, learning_rate, evaluation } = run;
  expect(loss.at(-1)).toBeLessThan(loss[0]!);
  expect(difference(found.loss, loss)).toBeLessThan(1e-4);
  expect(difference(found.learning_rate, learning_rate)).toBeLessThan(1e-9);
  // without clipping the Trainer tells none
  if (gradient_norm[0] !== null) expect(relative(found.gradient_norm, gradient_norm)).toBeLessThan(1e-3);
  for (const [name, value] of Object.entries(evaluation)) {
    const own = found.results[name === 'perplexity' ? name : `eval_${name}`];
    expect(Math.abs(own! - value), `${name}: ${own}, ${value}`).toBeLessThan(
      1e-4 * Math.max(1, Math.abs(value)),
    );
  }
}

const relative = (found: readonly (number | null)[], expected: readonly (number | null)[]) =>
  Math.max(...found.map((x, i) => Math.abs(x! - expected[i]!) / expected[i]!));

export function expectSamePredictions(task: TaskName, output: string, { predictions }: Run): void {
  if (predictions === undefined || predictions === null) return;
  if (task === 'question-answering') {
    expectSameAnswers(output, predictions as StoredAnswers);
    return;
  }
  const read = (name: string) => readFileSync(path.join(output, name), 'utf8').replace(/\n$/, '').split('\n');
  if (task === 'token-classification') {
    expect(read('eval_predictions.txt')).toEqual(predictions);
    return;
  }
  const [title, ...lines] = read('eval_results.txt');
  expect(title).toBe('index\tprediction');
  const values = lines.map((line, i) => {
    const [index, value] = line.split('\t');
    expect(Number(index)).toBe(i);
    return value!;
  });
  const { id2label, problem_type } = readJson(path.join(output, 'config.json')) as {
    readonly id2label?: Readonly<Record<number, string>>;
    readonly problem_type?: string;
  };
  if (problem_type === 'regression') {
    // they are written with three digits
    expect(difference(values.map(Number), predictions as number[])).toBeLessThan(1e-3);
    return;
  }
  const shown = (predictions as (number | string[])[]).map((value) => {
    if (typeof value !== 'number') return value.join(' ');
    return task === 'multiple-choice' ? String(value) : id2label![value];
  });
  expect(values).toEqual(shown);
}

interface StoredAnswers {
  readonly answers: Readonly<Record<string, string>>;
  /** Text, logits of its first and last token, probability. */
  readonly nbest: Readonly<Record<string, readonly (readonly [string, number, number, number])[]>>;
  readonly null_odds?: Readonly<Record<string, number>>;
}

interface NBest {
  readonly text: string;
  readonly start_logit: number;
  readonly end_logit: number;
  readonly probability: number;
}

function expectSameAnswers(output: string, { answers, nbest, null_odds }: StoredAnswers): void {
  const read = (name: string) => readJson(path.join(output, name));
  expect(read('eval_predictions.json')).toEqual(answers);
  const found = read('eval_nbest_predictions.json') as Readonly<Record<string, readonly NBest[]>>;
  expect(Object.keys(found)).toEqual(Object.keys(nbest));
  for (const [id, expected] of Object.entries(nbest)) {
    const own = found[id]!;
    expect(own).toHaveLength(expected.length);
    // the biases of start and end change no loss: rounding drives them somewhere
    const [, firstStart, firstEnd] = expected[0]!;
    const logitsOf = ({ start_logit, end_logit }: NBest) => [
      start_logit - own[0]!.start_logit,
      end_logit - own[0]!.end_logit,
    ];
    expected.forEach(([text, start, end, probability], i) => {
      expect(Math.abs(own[i]!.probability - probability)).toBeLessThan(1e-4);
      const isBeside = (other: number) => Math.abs((expected[other]?.[3] ?? Infinity) - probability) < 1e-5;
      // what is almost as likely as its neighbour may have changed places with it
      if (isBeside(i - 1) || isBeside(i + 1)) return;
      expect(own[i]!.text).toBe(text);
      expect(difference(logitsOf(own[i]!), [start - firstStart, end - firstEnd])).toBeLessThan(1e-3);
    });
  }
  if (!null_odds) return;
  const odds = read('eval_null_odds.json') as Readonly<Record<string, number>>;
  expect(Object.keys(odds)).toEqual(Object.keys(null_odds));
  expect(difference(Object.values(odds), Object.values(null_odds))).toBeLessThan(1e-3);
}
