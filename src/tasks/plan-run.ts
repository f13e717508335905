/** What is settled of a fine-tuning run before its ranks begin. */
import { InputError } from '../errors.js';
import { parameterCount } from '../model/initial-values.js';
import type { Mesh } from '../parallel/mesh.js';
import { resolveArguments } from '../train/fine-tuning/arguments.js';
import type { ExportedModel } from '../train/fine-tuning/checkpoint.js';
import type { TrainingPlan } from '../train/fine-tuning/fine-tune-rank.js';
import { resolveChunks } from '../train/mesh-options.js';
import { adapterFile, adapterPrefix } from '../pretrained/adapter.js';
import { benchmarks } from './benchmarks/benchmarks.js';
import { publishedArguments, type PublishedArguments } from './benchmarks/published-arguments.js';
import type { FinetuneOptions, TaskRunOptions } from './finetune-options.js';
import { prepareTask, type PreparedTask } from './prepare-task.js';
import { readData } from './read-data.js';
import type { Split, TaskContext, TaskOptions } from './task.js';
import { taskOf } from './tasks.js';
import { learningRateScales, trainedNames } from './trained-parameters.js';

export interface PlannedRun {
  /** With the arguments that a benchmark has where none are given. */
  readonly options: FinetuneOptions;
  readonly published?: PublishedArguments;
  readonly prepared: PreparedTask;
  readonly train: Split;
  /** With the weights of classes. */
  readonly context: TaskContext;
  readonly plan: TrainingPlan;
  readonly trained: ReadonlySet<string>;
  readonly learningRateScales: ReadonlyMap<string, number>;
  readonly model: ExportedModel;
}

/** @throws InputError for data, a model or arguments that cannot be used */
export async function planRun(given: FinetuneOptions, mesh: Mesh): Promise<PlannedRun> {
  const { model } = given;
  const task = taskOf(given.task);
  const data = await readData(given, true);
  const prepared = await prepareTask(task, data, {
    ...{ model, mesh },
    columns: given.columns ?? {},
    options: { ...taskOptions(given), seed: given.seed ?? 42 },
    isRegression: given.regression ?? false,
    ...(given.lora && { lora: given.lora }),
    config: given.config ?? {},
  });
  const published = publishedFor(given, prepared, mesh.data);
  const options = { ...given, ...published?.arguments };
  const train = prepared.train!;
  const weights = classWeights(options, train, prepared.context.labels.names.length);
  const context = {
    ...prepared.context,
    options: { ...prepared.context.options, ...(weights && { class_weights: weights }) },
  };
  const { config } = context;
  resolveChunks({}, mesh, config);
  const plan = resolveArguments(options, {
    examples: train.features.examples,
    hasEvaluation: data.evaluations.eval !== undefined,
    dataRanks: mesh.data,
    mainMetric: task.mainMetric(context),
  });
  const { lora, declared } = prepared;
  const names = [...declared.keys()];
  const trained = trainedNames(names, options, config.num_hidden_layers, lora);
  return {
    ...{ options, prepared, train, context, plan, trained },
    ...(published && { published }),
    learningRateScales: learningRateScales(names, options.layerwise_lr_decay ?? 1, config.num_hidden_layers),
    model: exportedModel(prepared, names, trained),
  };
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
