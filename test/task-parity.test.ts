/** What transformers' scripts and its Trainer make of the tasks of fine-tuning (parity/make_task_fixtures.py), made again. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { openEngine } from '../src/engine/node.js';
import { taskBlocks } from '../src/model/task-blocks.js';
import { singleRanks } from '../src/parallel/ranks.js';
import { listOf, type Ragged } from '../src/tasks/features.js';
import type * as Finetune from '../src/tasks/finetune.js';
import type { FinetuneOptions, TaskEvent } from '../src/tasks/finetune-options.js';
import { prepareTask } from '../src/tasks/prepare-task.js';
import type { Row, Split, Task, TaskContext, TaskOptions } from '../src/tasks/task.js';
import { taskNames, taskOf, type TaskName } from '../src/tasks/tasks.js';
import { createWorkload } from '../src/tasks/workload.js';
import { resolveArguments, type TrainingArguments } from '../src/train/fine-tuning/arguments.js';
import { fineTuneRank } from '../src/train/fine-tuning/fine-tune-rank.js';
import { declaredParameters } from '../src/train/parameters.js';
import { difference, fixture, readGzippedJson, readJson, readTensors } from './support/fixture.js';
import { temporaryFolder } from './support/workspace.js';

const { finetune } = (await import(
  new URL('../dist/tasks/finetune.js', import.meta.url).href
)) as typeof Finetune;

type Feature = Readonly<Record<string, unknown>>;

interface StoredFeatures {
  readonly options: Partial<TaskOptions>;
  readonly repeated: number;
  readonly hashes: readonly string[];
  readonly first: readonly Feature[];
}

interface Run {
  readonly options: Partial<TaskOptions>;
  readonly arguments: TrainingArguments;
  readonly loss: readonly number[];
  readonly gradient_norm: readonly (number | null)[];
  readonly learning_rate: readonly number[];
  readonly evaluation: Readonly<Record<string, number>>;
  readonly predictions: unknown;
  /** Whether only rows with answers are used. */
  readonly answered?: boolean;
  readonly batches?: Readonly<Record<'train' | 'evaluation', readonly MaskedBatch[]>>;
}

/** Places of a batch, from its first token on, and what stands there. */
interface MaskedBatch {
  readonly masked: readonly number[];
  readonly tokens: readonly number[];
}

interface DataSet {
  readonly task: TaskName;
  readonly model: string;
  readonly rows: readonly Row[];
  readonly features: Readonly<Record<string, StoredFeatures>>;
  readonly runs: Readonly<Record<string, Run>>;
}

const names = [
  'classification',
  'pairs',
  'regression',
  'multi-label',
  'tokens',
  'questions',
  'choices',
  'masked-lm',
  'causal-lm',
];
const dataSets = new Map(names.map((name) => [name, readGzippedJson(`tasks/${name}.json.gz`) as DataSet]));
const folder = temporaryFolder();
const noDropout = { hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 };
const trainedRows = 395;
const evaluatedRows = 100;

test('there are examples of every task', () => {
  expect(new Set([...dataSets.values()].map(({ task }) => task))).toEqual(new Set(taskNames));
  for (const { rows } of dataSets.values()) expect(rows).toHaveLength(500);
});

describe('features', () => {
  const all = [...dataSets].flatMap(([name, dataSet]) =>
    Object.entries(dataSet.features).map(([variant, stored]) => ({ name, variant, dataSet, stored })),
  );
  test.each(all)('$name, $variant', async ({ dataSet, stored }) => {
    const rows = Array.from({ length: stored.repeated }, () => dataSet.rows).flat();
    const { train } = await prepared(dataSet, rows, stored.options);
    const features = asStored(dataSet.task, train!);
    expect(features.slice(0, stored.first.length)).toEqual(stored.first);
    expect(features.map(hash)).toEqual(stored.hashes);
  });
});

const prepared = (
  { task, model }: DataSet,
  rows: readonly Row[],
  options: Partial<TaskOptions>,
  evaluated: readonly Row[] = [],
) =>
  prepareTask(
    taskOf(task),
    {
      train: { source: 'rows', rows },
      evaluations: evaluated.length > 0 ? { eval: { source: 'rows', rows: evaluated } } : {},
    },
    {
      ...{ model: fixture(model), columns: {}, options, isRegression: false, config: noDropout },
      mesh: singleRanks.mesh,
    },
  );

const hash = (feature: Feature) =>
  createHash('sha256').update(JSON.stringify(feature)).digest('hex').slice(0, 16);

/** Features as the fixtures have them. */
function asStored(task: TaskName, { features, examples }: Split): Feature[] {
  const { choices, input_ids, token_type_ids, labels } = features;
  const own = (lists: Ragged, example: number) =>
    Array.from({ length: choices }, (_, i) => [...listOf(lists, example * choices + i)]);
  const labelOf = (name: string, example: number) => [...listOf(labels[name]!, example)];
  const windows = task === 'question-answering' ? windowsOf(examples) : [];
  return Array.from({ length: features.examples }, (_, example) => {
    const ids = own(input_ids, example);
    const types = own(token_type_ids, example);
    switch (task) {
      case 'masked-lm':
      case 'causal-lm':
        return { input_ids: ids[0] };
      case 'multiple-choice':
        return { input_ids: ids, token_type_ids: types, label: labelOf('labels', example)[0] };
      case 'sequence-classification': {
        const label = labelOf('labels', example);
        return {
          input_ids: ids[0],
          token_type_ids: types[0],
          label: label.length === 1 ? label[0] : label,
        };
      }
      case 'token-classification':
        return {
          ...{ input_ids: ids[0], token_type_ids: types[0], labels: labelOf('labels', example) },
          first_tokens: (examples[example] as { readonly firstTokens: readonly number[] }).firstTokens,
        };
      case 'question-answering': {
        const start = labelOf('start_positions', example)[0]!;
        const { length } = ids[0]!;
        return {
          ...{ input_ids: ids[0], token_type_ids: types[0] },
          // the script goes on to the end of the window where the answer begins in the last token of the context
          start_positions: start === length - 2 ? length - 1 : start,
          end_positions: labelOf('end_positions', example)[0],
          ...windows[example],
        };
      }
    }
  });
}

const windowsOf = (examples: readonly unknown[]) =>
  (examples as readonly { readonly windows: readonly Int32Array[] }[]).flatMap(({ windows }, example) =>
    windows.map((offsets) => ({
      example,
      offsets: Array.from({ length: offsets.length / 2 }, (_, i) => [offsets[2 * i], offsets[2 * i + 1]]),
    })),
  );

const runsOf = (isMasked: boolean) =>
  [...dataSets]
    .filter(([, { task }]) => (task === 'masked-lm') === isMasked)
    .flatMap(([name, dataSet]) =>
      Object.entries(dataSet.runs).map(([variant, run]) => ({ name, variant, dataSet, run })),
    );

describe('30 steps of the Trainer', () => {
  test.each(runsOf(false))('$name, $variant', async ({ name, variant, dataSet, run }) => {
    const { task, model, rows } = dataSet;
    const output = path.join(folder, `${name} ${variant}`);
    const found = await trained(output, run, { task, model: fixture(model), rows });
    expectSameRun(found, run);
    expectSamePredictions(task, output, run);
  });

  test.each([
    { tensor_parallel_size: 2 },
    { pipeline_parallel_size: 2 },
    { data_parallel_size: 2, gradient_accumulation_steps: 1 },
  ])('on two ranks: %o', async (split) => {
    const { task, model, rows, runs } = dataSets.get('questions')!;
    const run = runs.accumulated!;
    const output = path.join(folder, `questions ${Object.keys(split)[0]}`);
    const found = await trained(
      output,
      { ...run, arguments: { ...run.arguments, ...split } },
      { task, model: fixture(model), rows },
    );
    expectSameRun(found, run);
    expectSamePredictions(task, output, run);
  });

  test.each(runsOf(true))('$name, $variant', async ({ name, variant, dataSet, run }) => {
    expectSameRun(await trainedOnMasks(path.join(folder, `${name} ${variant}`), dataSet, run), run);
  });
});

interface FoundRun extends Pick<Run, 'loss' | 'gradient_norm' | 'learning_rate'> {
  readonly results: Readonly<Record<string, number>>;
}

/** Listens to a run's events. */
function recorder() {
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

async function trained(
  output: string,
  run: Run,
  { task, model, rows }: { readonly task: TaskName; readonly model: string; readonly rows: readonly Row[] },
): Promise<FoundRun> {
  const used = (all: readonly Row[]) =>
    all.filter(({ answers }) => !run.answered || (answers as { readonly text: string[] }).text.length > 0);
  const recorded = recorder();
  const options: FinetuneOptions = {
    ...run.options,
    ...run.arguments,
    ...{ task, model, output_dir: output, config: noDropout, threads: 1, onEvent: recorded.onEvent },
    train: used(rows.slice(0, trainedRows)),
    validation: used(rows.slice(-evaluatedRows)),
    ...{ train_sampling_strategy: 'sequential', logging_steps: 1, eval_strategy: 'no', save_strategy: 'no' },
  };
  return recorded.found(await finetune(options));
}

/** A run whose masks are the fixture's. */
async function trainedOnMasks(output: string, dataSet: DataSet, run: Run): Promise<FoundRun> {
  const { task: name, model, rows } = dataSet;
  const [trainRows, evalRows] = [rows.slice(0, trainedRows), rows.slice(-evaluatedRows)];
  const { context, train, evaluations, files } = await prepared(dataSet, trainRows, run.options, evalRows);
  const batches = new Map<unknown, readonly MaskedBatch[]>([
    [train, run.batches!.train],
    [evaluations.eval, run.batches!.evaluation],
  ]);
  const size = run.arguments.per_device_train_batch_size!;
  const task: Task = {
    ...taskOf(name),
    labelInputs: (split, examples, { length }, text) =>
      maskedInputs(batches.get(split)!, examples, { size, length, input_ids: text.input_ids as Int32Array }),
  };
  const engine = openEngine({ threads: 1 });
  const workload = createWorkload(
    task,
    {
      ...{ context, train: train!, evaluations, trainBatchSize: size, evaluationBatchSize: size },
      blocks: { labelSmoothing: run.arguments.label_smoothing_factor ?? 0 },
    },
    singleRanks,
  );
  const plan = planOf(run, context, train!.features.examples);
  const all = new Set(declaredParameters(taskBlocks(context.className, context.config)).keys());
  mkdirSync(output);
  const recorded = recorder();
  const { evaluations: measured } = await fineTuneRank(
    {
      ...{ plan, output, trained: all, learningRateScales: new Map(), stop: new SharedArrayBuffer(4) },
      weights: {
        source: { layout: 'transformers', folder: fixture(model) },
        keptRows: context.config.vocab_size,
      },
      model: { file: 'model.safetensors', prefix: '', names: all, files },
    },
    { engine, workload, ranks: singleRanks },
    recorded.onEvent,
  );
  await engine.release();
  return recorded.found(measured.eval!.metrics);
}

const planOf = (run: Run, context: TaskContext, examples: number) =>
  resolveArguments(
    {
      ...run.arguments,
      ...{
        train_sampling_strategy: 'sequential',
        logging_steps: 1,
        eval_strategy: 'no',
        save_strategy: 'no',
      },
    },
    { examples, hasEvaluation: true, dataRanks: 1, mainMetric: taskOf('masked-lm').mainMetric(context) },
  );

function maskedInputs(
  batches: readonly MaskedBatch[],
  examples: readonly number[],
  {
    size,
    length,
    input_ids,
  }: { readonly size: number; readonly length: number; readonly input_ids: Int32Array },
) {
  const positions: number[] = [];
  const labels: number[] = [];
  examples.forEach((example, row) => {
    if (example < 0) return;
    const { masked, tokens } = batches[Math.floor(example / size)]!;
    masked.forEach((place, i) => {
      if (Math.floor(place / length) !== example % size) return;
      const position = row * length + (place % length);
      positions.push(position);
      labels.push(input_ids[position]!);
      input_ids[position] = tokens[i]!;
    });
  });
  return { prediction_positions: Int32Array.from(positions), prediction_labels: Int32Array.from(labels) };
}

function expectSameRun(found: FoundRun, run: Run): void {
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

function expectSamePredictions(task: TaskName, output: string, { predictions }: Run): void {
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

test("ten steps from PEFT's adapter on", async () => {
  const run = readJson(fixture('tasks/lora/lora.json')) as Run;
  const { task, rows } = dataSets.get('classification')!;
  const output = path.join(folder, 'lora');
  expectSameRun(await trained(output, run, { task, model: fixture('tasks/lora/adapter'), rows }), run);
  expectSamePredictions(task, output, run);
  const file = 'adapter_model.safetensors';
  const found = await readTensors(path.join(output, file));
  const expected = await readTensors(fixture(`tasks/lora/trained/${file}`));
  expect([...found.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [name, { data }] of expected)
    expect(difference(found.get(name)!.data, data), name).toBeLessThan(1e-4);
});
