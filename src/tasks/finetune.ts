import { mkdir, readdir } from 'node:fs/promises';
import { InputError } from '../errors.js';
import { parameterCount } from '../model/initial-values.js';
import { listCheckpoints } from '../train/fine-tuning/checkpoint.js';
import { optionsOf, tunedBenchmarks } from './benchmarks/benchmarks.js';
import type { FinetuneOptions, TaskOrBenchmark } from './finetune-options.js';
import { planRun } from './plan-run.js';
import { onTaskRanks, type TaskRanks } from './run-task.js';
import { writeResults, type TaskResults } from './results.js';

/** The run was asked to stop: a checkpoint is there to go on from. */
export class FinetuningStopped extends Error {
  override name = 'FinetuningStopped';
}

/**
 * Fine-tunes a model on a task, evaluates it, and writes a model folder with transformers' files of results. For a
 * benchmark what is not given is as it was published.
 *
 * @throws InputError for data, a model or arguments that cannot be used; nothing was written then
 * @throws FinetuningStopped
 */
export async function finetune(options: TaskOrBenchmark<FinetuneOptions>): Promise<TaskResults> {
  return (await finetuneAndMeasure(options)).results;
}

export interface FinetunedRun {
  readonly results: TaskResults;
  /** Of the model that is left, by all evaluations. */
  readonly metrics: TaskResults;
}

/** @see finetune */
export async function finetuneAndMeasure(given: TaskOrBenchmark<FinetuneOptions>): Promise<FinetunedRun> {
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
): Promise<FinetunedRun | FinetuningStopped> {
  const { output_dir: output, model, stopSignal } = given;
  const onEvent = leads ? given.onEvent : undefined;
  const resumed = await share(() => findResumed(given));
  const planned = await planRun(given, mesh);
  const { options, published, prepared, train, context, plan, trained } = planned;
  const { lora, declared } = prepared;
  if (published) onEvent?.({ kind: 'hyper-parameters', ...published });
  await share(() => mkdir(output, { recursive: true }));
  if (prepared.missing.length > 0)
    onEvent?.({
      kind: 'warning',
      message: `not in ${model}, and begun at random: ${prepared.missing.join(', ')}`,
    });
  onEvent?.({
    kind: 'ready',
    steps: plan.maxSteps,
    examples: train.features.examples,
    trainedParameters: parameterCount(
      [...declared].flatMap(([name, one]) => (trained.has(name) ? [one] : [])),
    ),
    parameters: parameterCount(declared.values()),
    labels: context.labels.names,
  });
  const stop = new SharedArrayBuffer(4);
  const askToStop = () => Atomics.store(new Int32Array(stop), 0, 1);
  if (stopSignal?.aborted) askToStop();
  stopSignal?.addEventListener('abort', askToStop);
  const result = await run({
    task: options.task,
    workload: {
      ...{ context, train, evaluations: prepared.evaluations },
      blocks: {
        labelSmoothing: options.label_smoothing_factor ?? 0,
        weighsLabels: context.options.class_weights !== undefined,
        ...(lora && { lora }),
      },
      trainBatchSize: plan.sampling.microBatchSize,
      evaluationBatchSize: options.per_device_eval_batch_size ?? 8,
    },
    fineTuning: {
      ...{ plan, trained, output, stop },
      weights: {
        source: { layout: 'transformers', folder: prepared.base },
        keptRows: context.config.vocab_size,
      },
      learningRateScales: planned.learningRateScales,
      model: planned.model,
      ...(prepared.adapter !== undefined && { adapter: prepared.adapter }),
      ...(resumed !== undefined && { resumed }),
    },
  }).finally(() => stopSignal?.removeEventListener('abort', askToStop));
  if (!result.isComplete)
    return new FinetuningStopped(
      `stopped after step ${result.state.global_step}, which is saved in ${output}: go on with --resume-from-checkpoint`,
    );
  const results = await share(() =>
    writeResults(output, result, {
      options,
      context,
      trainExamples: train.features.examples,
      plan,
      isAdapter: lora !== undefined,
    }),
  );
  const measured = Object.values(result.evaluations).map(({ metrics }) => metrics);
  return { results, metrics: Object.assign({}, ...measured) as TaskResults };
}

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
  await requireFree(output_dir, overwrite_output_dir, newest !== undefined);
  return undefined;
}

/** @throws InputError where a folder has something to lose */
export async function requireFree(output: string, mayOverwrite: boolean, canGoOn: boolean): Promise<void> {
  const isEmpty = (await readdir(output).catch(() => [])).length === 0;
  if (isEmpty || mayOverwrite) return;
  throw new InputError(
    `the output folder ${output} is not empty: ${canGoOn ? 'go on with --resume-from-checkpoint, ' : ''}choose another, or pass --overwrite-output-dir`,
  );
}
