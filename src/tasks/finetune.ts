import { mkdir, readdir } from 'node:fs/promises';
import { InputError } from '../errors.js';
import { parameterCount } from '../model/initial-values.js';
import { resolveArguments } from '../train/fine-tuning/arguments.js';
import { listCheckpoints, type ExportedModel } from '../train/fine-tuning/checkpoint.js';
import { resolveChunks } from '../train/mesh-options.js';
import { benchmarks, optionsOf, tunedBenchmarks } from './benchmarks/benchmarks.js';
import { publishedArguments, type PublishedArguments } from './benchmarks/published-arguments.js';
import type { FinetuneOptions, TaskOrBenchmark, TaskRunOptions } from './finetune-options.js';
import { adapterFile, adapterPrefix } from './adapter.js';
import { prepareTask, type PreparedTask } from './prepare-task.js';
import { readData } from './read-data.js';
import { onTaskRanks, type TaskRanks } from './run-task.js';
import { writeResults, type TaskResults } from './results.js';
import type { Split, TaskOptions } from './task.js';
import { taskOf } from './tasks.js';
import { learningRateScales, trainedNames } from './trained-parameters.js';

/** The run was asked to stop: a checkpoint is there to go on from. */
export class FinetuningStopped extends Error {
  override name = 'FinetuningStopped';

  constructor(step: number, output: string) {
    super(`stopped after step ${step}, which is saved in ${output}: go on with --resume-from-checkpoint`);
  }
}

/**
 * Fine-tunes a model on a task, evaluates it, and writes a model folder with transformers' files of results. For a
 * benchmark what is not given is as it was published.
 *
 * @throws InputError for data, a model or arguments that cannot be used; nothing was written then
 * @throws FinetuningStopped
 */
export async function finetune(given: TaskOrBenchmark<FinetuneOptions>): Promise<TaskResults> {
  const options = optionsOf(given);
  const { benchmark } = options;
  if (benchmark && !tunedBenchmarks.includes(benchmark))
    throw new InputError(
      `benchmark: expected one that models are fine-tuned for, ${tunedBenchmarks.join(', ')}, found ${benchmark}, which is evaluated as it is`,
    );
  const ended = await onTaskRanks(options, (ranks) => finetuneOn(ranks, options));
  if (ended instanceof FinetuningStopped) throw ended;
  return ended;
}

async function finetuneOn(
  { mesh, leads, share, run }: TaskRanks,
  given: FinetuneOptions,
): Promise<TaskResults | FinetuningStopped> {
  const { output_dir: output, model } = given;
  const onEvent = leads ? given.onEvent : undefined;
  const task = taskOf(given.task);
  const resumed = await share(() => findResumed(given));
  const data = await readData(given, true);
  const { evaluations } = data;
  const prepared = await prepareTask(task, data, {
    ...{ model, mesh },
    columns: given.columns ?? {},
    options: { ...taskOptions(given), seed: given.seed ?? 42 },
    isRegression: given.regression ?? false,
    ...(given.lora && { lora: given.lora }),
    config: given.config ?? {},
  });
  const published = publishedFor(given, prepared, mesh.data);
  if (published) onEvent?.({ kind: 'hyper-parameters', ...published });
  const options = { ...given, ...published?.arguments };
  const weights = classWeights(options, prepared.train!, prepared.context.labels.names.length);
  const context = {
    ...prepared.context,
    options: { ...prepared.context.options, ...(weights && { class_weights: weights }) },
  };
  const { config, labels } = context;
  resolveChunks({}, mesh, config);
  const plan = resolveArguments(options, {
    examples: prepared.train!.features.examples,
    hasEvaluation: evaluations.eval !== undefined,
    dataRanks: mesh.data,
    mainMetric: task.mainMetric(context),
  });
  const { lora, declared } = prepared;
  const names = [...declared.keys()];
  const trained = trainedNames(names, options, config.num_hidden_layers, lora);
  const scales = learningRateScales(names, options.layerwise_lr_decay ?? 1, config.num_hidden_layers);
  await share(() => mkdir(output, { recursive: true }));
  if (prepared.missing.length > 0)
    onEvent?.({
      kind: 'warning',
      message: `not in ${model}, and begun at random: ${prepared.missing.join(', ')}`,
    });
  onEvent?.({
    kind: 'ready',
    steps: plan.maxSteps,
    examples: prepared.train!.features.examples,
    trainedParameters: parameterCount(
      [...declared].flatMap(([name, one]) => (trained.has(name) ? [one] : [])),
    ),
    parameters: parameterCount(declared.values()),
    labels: labels.names,
  });
  const stop = new SharedArrayBuffer(4);
  options.stopSignal?.addEventListener('abort', () => Atomics.store(new Int32Array(stop), 0, 1));
  const result = await run({
    task: options.task,
    workload: {
      ...{ context, train: prepared.train!, evaluations: prepared.evaluations },
      blocks: {
        labelSmoothing: options.label_smoothing_factor ?? 0,
        weighsLabels: weights !== undefined,
        ...(lora && { lora }),
      },
      trainBatchSize: plan.sampling.microBatchSize,
      evaluationBatchSize: options.per_device_eval_batch_size ?? 8,
    },
    fineTuning: {
      ...{ plan, trained, output, stop },
      weights: { source: { layout: 'transformers', folder: prepared.base }, keptRows: config.vocab_size },
      learningRateScales: scales,
      model: exportedModel(prepared, names, trained),
      ...(prepared.adapter !== undefined && { adapter: prepared.adapter }),
      ...(resumed !== undefined && { resumed }),
    },
  });
  if (!result.isComplete) return new FinetuningStopped(result.state.global_step, output);
  return share(() =>
    writeResults(output, result, {
      options,
      context,
      trainExamples: prepared.train!.features.examples,
      plan,
      isAdapter: lora !== undefined,
    }),
  );
}

/** The arguments that were not given, of a benchmark that has published ones. */
function publishedFor(
  given: FinetuneOptions,
  { train, declared }: PreparedTask,
  dataRanks: number,
): PublishedArguments | undefined {
  const benchmark = given.benchmark && benchmarks[given.benchmark].published;
  if (benchmark === undefined) return undefined;
  const { choices } = train!.features;
  const parameters = parameterCount(declared.values());
  return publishedArguments(benchmark, { parameters, choices, dataRanks }, given);
}

/** All of a model, or of one that is adapted what is trained. */
export const exportedModel = (
  { lora, files }: PreparedTask,
  names: readonly string[],
  trained: ReadonlySet<string>,
): ExportedModel =>
  lora
    ? { file: adapterFile, prefix: adapterPrefix, names: trained, files }
    : { file: 'model.safetensors', prefix: '', names: new Set(names), files };

const optionNames = [
  'max_seq_length',
  'doc_stride',
  'version_2_with_negative',
  'null_score_diff_threshold',
  'n_best_size',
  'max_answer_length',
  'label_all_tokens',
  'mlm_probability',
  'whole_word_mask',
  'line_by_line',
  'choice_first',
  'overlapping_eval',
  'strict_lambada',
  'glue_task',
] as const satisfies readonly (keyof TaskOptions)[];

/** Those that were given. */
export const taskOptions = (options: TaskRunOptions): Partial<TaskOptions> =>
  Object.fromEntries(
    optionNames.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
  );

/** The checkpoint that a run goes on from. @throws InputError where the folder has something to lose */
async function findResumed(options: FinetuneOptions): Promise<string | undefined> {
  const { output_dir, resume_from_checkpoint: resume = false, overwrite_output_dir = false } = options;
  if (typeof resume === 'string') return resume;
  const newest = (await listCheckpoints(output_dir)).at(-1);
  if (resume) {
    if (newest === undefined)
      throw new InputError(`${output_dir}: expected a checkpoint-N to go on from, found none`);
    return newest;
  }
  const isEmpty = (await readdir(output_dir).catch(() => [])).length === 0;
  if (!isEmpty && !overwrite_output_dir)
    throw new InputError(
      `the output folder ${output_dir} is not empty: ${newest === undefined ? '' : 'go on with --resume-from-checkpoint, '}choose another, or pass --overwrite-output-dir`,
    );
  return undefined;
}

function classWeights(
  { class_weights: given }: FinetuneOptions,
  { features }: Split,
  classes: number,
): readonly number[] | undefined {
  if (given === undefined) return undefined;
  if (given !== 'balanced') {
    if (given.length !== classes || !given.every((weight) => weight >= 0))
      throw new InputError(
        `class_weights: expected ${classes} numbers of 0 or more, found ${given.join(', ')}`,
      );
    return given;
  }
  // as scikit-learn's: examples / (classes · examples of the class)
  const counts = new Array<number>(classes).fill(0);
  for (const label of features.labels.labels!.values) if (label >= 0) counts[label]!++;
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.map((count) => (count === 0 ? 0 : total / (classes * count)));
}
