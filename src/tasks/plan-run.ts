/** What is settled of a fine-tuning run before its ranks begin. */
import { InputError } from '../errors.js';
import { taskBlocks } from '../model/task-blocks.js';
import type { Mesh } from '../parallel/mesh.js';
import { resolveArguments } from '../train/fine-tuning/arguments.js';
import type { ExportedModel } from '../train/fine-tuning/checkpoint.js';
import type { TrainingPlan } from '../train/fine-tuning/fine-tune-rank.js';
import { resolveChunks } from '../train/mesh-options.js';
import { declaredParameters } from '../train/parameters.js';
import { adapterFile, adapterPrefix } from '../pretrained/adapter.js';
import type { FinetuneOptions, TaskRunOptions } from './finetune-options.js';
import { prepareTask, type PreparedTask } from './prepare-task.js';
import { readData } from './read-data.js';
import type { Split, TaskContext, TaskOptions } from './task.js';
import { taskOf } from './tasks.js';
import { learningRateScales, trainedNames } from './trained-parameters.js';

export interface PlannedRun {
  readonly prepared: PreparedTask;
  readonly train: Split;
  /** With the weights of classes. */
  readonly context: TaskContext;
  readonly plan: TrainingPlan;
  readonly declared: ReturnType<typeof declaredParameters>;
  readonly trained: ReadonlySet<string>;
  readonly learningRateScales: ReadonlyMap<string, number>;
  readonly model: ExportedModel;
}

/** @throws InputError for data, a model or arguments that cannot be used */
export async function planRun(options: FinetuneOptions, mesh: Mesh): Promise<PlannedRun> {
  const { model } = options;
  const task = taskOf(options.task);
  const data = await readData(options, true);
  const prepared = await prepareTask(task, data, {
    ...{ model, mesh },
    columns: options.columns ?? {},
    options: { ...taskOptions(options), seed: options.seed ?? 42 },
    isRegression: options.regression ?? false,
    ...(options.lora && { lora: options.lora }),
    config: options.config ?? {},
  });
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
  const { lora } = prepared;
  const declared = declaredParameters(taskBlocks(context.className, config, { ...(lora && { lora }) }));
  const names = [...declared.keys()];
  const trained = trainedNames(names, options, config.num_hidden_layers, lora);
  return {
    ...{ prepared, train, context, plan, declared, trained },
    learningRateScales: learningRateScales(names, options.layerwise_lr_decay ?? 1, config.num_hidden_layers),
    model: exportedModel(prepared, names, trained),
  };
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
