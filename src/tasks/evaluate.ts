import { InputError } from '../errors.js';
import { defaultOptimizer } from '../train/optimizer.js';
import { resolveChunks } from '../train/mesh-options.js';
import { benchmarks, optionsOf } from './benchmarks/benchmarks.js';
import type { TaskOrBenchmark, TaskRunOptions } from './finetune-options.js';
import { exportedModel, taskOptions } from './plan-run.js';
import { prepareTask } from './prepare-task.js';
import { readData } from './read-data.js';
import { evaluationResults, writeEvaluations, type TaskResults } from './results.js';
import { onTaskRanks, type TaskRanks } from './run-task.js';
import { taskOf } from './tasks.js';
import { trainedNames } from './trained-parameters.js';

/**
 * Measures a model on a task, and predicts; writes transformers' files of results where there is an output folder.
 *
 * @throws InputError for data or a model that cannot be used
 */
export async function evaluate(given: EvaluateOptions): Promise<TaskResults> {
  const options = optionsOf(given);
  return onTaskRanks(options, (ranks) => evaluateOn(ranks, options));
}

export type EvaluateOptions = TaskOrBenchmark<TaskRunOptions>;

async function evaluateOn(
  { mesh, leads, share, run }: TaskRanks,
  options: TaskRunOptions,
): Promise<TaskResults> {
  const { model, output_dir: output, benchmark, task } = options;
  const measured = (benchmark && benchmarks[benchmark].measuredAs) ?? task;
  const onEvent = leads ? options.onEvent : undefined;
  const { evaluations } = await readData(options, false);
  if (Object.keys(evaluations).length === 0)
    throw new InputError('evaluate: expected a validation or a test file, found none');
  const prepared = await prepareTask(
    taskOf(measured),
    { evaluations },
    {
      ...{ model, mesh },
      columns: options.columns ?? {},
      options: taskOptions(options),
      isRegression: false,
      config: {},
    },
  );
  const { context, lora, base, adapter, declared } = prepared;
  const { config } = context;
  resolveChunks({}, mesh, config);
  if (prepared.missing.length > 0)
    onEvent?.({
      kind: 'warning',
      message: `not in ${model}, and at random: ${prepared.missing.join(', ')}: fine-tune it first`,
    });
  const names = [...declared.keys()];
  const adapted = lora ? trainedNames(names, {}, config.num_hidden_layers, lora) : new Set<string>();
  const result = await run({
    task: measured,
    workload: {
      ...{ context, evaluations: prepared.evaluations },
      blocks: { ...(lora && { lora }) },
      trainBatchSize: 1,
      // LAMBADA asks of each example whether all of it is right
      evaluationBatchSize: measured === 'lambada' ? 1 : (options.per_device_eval_batch_size ?? 8),
    },
    fineTuning: {
      plan: noTraining,
      weights: { source: { layout: 'transformers', folder: base }, keptRows: config.vocab_size },
      trained: new Set(),
      learningRateScales: new Map(),
      model: exportedModel(prepared, names, adapted),
      ...(adapter !== undefined && { adapter }),
      output: '',
      stop: new SharedArrayBuffer(4),
    },
  });
  return output === undefined
    ? evaluationResults(result)
    : share(() => writeEvaluations(output, result, { options, context }));
}

const noTraining = {
  sampling: { strategy: 'sequential', seed: 0, microBatchSize: 1, microBatches: 1 },
  ...{ maxSteps: 0, epochs: 0, stepsPerEpoch: 1, seed: 0 },
  optimizer: defaultOptimizer,
  schedule: {
    ...{ learningRate: 0, minLearningRate: 0, warmupIterations: 0, decayIterations: 1 },
    decayStyle: 'constant',
  },
  recomputeActivations: 'none',
  ...{ loggingSteps: Infinity, evaluationSteps: Infinity, saveSteps: Infinity },
  ...{ keepCheckpoints: 1, patience: Infinity, patienceThreshold: 0 },
} as const;
