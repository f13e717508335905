/** Runs of transformers' Trainer and of PEFT on the tasks of fine-tuning (parity/make_task_fixtures.py), made again. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { openEngine } from '../src/engine/node.js';
import { taskBlocks } from '../src/model/task-blocks.js';
import { singleRanks } from '../src/parallel/ranks.js';
import type * as Finetune from '../src/tasks/finetune.js';
import type { FinetuneOptions } from '../src/tasks/finetune-options.js';
import type { Row, Task, TaskContext } from '../src/tasks/task.js';
import { taskOf, type TaskName } from '../src/tasks/tasks.js';
import { createWorkload } from '../src/tasks/workload.js';
import { resolveArguments } from '../src/train/fine-tuning/arguments.js';
import { fineTuneRank } from '../src/train/fine-tuning/fine-tune-rank.js';
import { declaredParameters } from '../src/train/parameters.js';
import { difference, fixture, readJson, readTensors } from './support/fixture.js';
import { expectSamePredictions, expectSameRun, recorder, type FoundRun } from './support/same-training.js';
import {
  dataSets,
  noDropout,
  prepared,
  type DataSet,
  type MaskedBatch,
  type Run,
} from './support/task-fixtures.js';
import { temporaryFolder } from './support/workspace.js';

const { finetune } = (await import(
  new URL('../dist/tasks/finetune.js', import.meta.url).href
)) as typeof Finetune;

const folder = temporaryFolder();
const trainedRows = 395;
const evaluatedRows = 100;

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
