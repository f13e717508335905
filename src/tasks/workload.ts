/** A task's examples as batches that blocks are computed of. */
import { hiddenInput } from '../model/blocks.js';
import { taskBlocks, type TaskBlockOptions } from '../model/task-blocks.js';
import { tensorParallel, type Ranks } from '../parallel/ranks.js';
import type { Batch } from '../train/chain.js';
import type { EvaluationExamples, LaidOutBatches, Workload } from '../train/fine-tuning/workload.js';
import type { BatchLayout } from '../train/trainer.js';
import { exampleLengths, lengthOf, textBatch } from './features.js';
import type { Split, Task, TaskContext } from './task.js';

export interface WorkloadOptions {
  readonly context: TaskContext;
  readonly blocks: Omit<TaskBlockOptions, 'choices' | 'predictionCount'>;
  readonly train?: Split;
  readonly evaluations: Readonly<Record<string, Split>>;
  readonly trainBatchSize: number;
  readonly evaluationBatchSize: number;
}

/** A length that many batches are padded to: programs are compiled for each. */
export function roundedLength(length: number, longest: number): number {
  const multiple = length <= 64 ? 8 : length <= 256 ? 16 : 32;
  return Math.min(longest, Math.ceil(length / multiple) * multiple);
}

/** Rows of the masked-LM head, of which the share that is masked is not always the same. */
const roundedPredictions = (count: number) => Math.max(16, Math.ceil(count / 32) * 32);

export function createWorkload(
  task: Task,
  options: WorkloadOptions,
  ranks: Pick<Ranks, 'mesh' | 'place'>,
): Workload {
  const { context, train, evaluations, trainBatchSize, evaluationBatchSize } = options;
  const { config } = context;
  const longest = config.max_position_embeddings;
  const tensor = tensorParallel(ranks);
  const layouts = new Map<string, BatchLayout>();
  const layoutOf = (texts: number, sequenceLength: number, choices: number, predictionCount: number) => {
    const key = [texts, sequenceLength, choices, predictionCount].join();
    const known = layouts.get(key);
    if (known) return known;
    const layout: BatchLayout = {
      blocks: taskBlocks(context.className, config, { ...options.blocks, choices, predictionCount }),
      hidden: hiddenInput(config, { batchSize: texts, sequenceLength, tensor }),
      microBatchSize: texts,
      sequenceLength,
    };
    layouts.set(key, layout);
    return layout;
  };

  /** All of one layout, whose labels are drawn anew for each `draw`, where they are drawn. */
  const layOut = (split: Split, lists: readonly (readonly number[])[], draw?: number): LaidOutBatches => {
    const { features } = split;
    const { choices, input_ids } = features;
    const texts = lists
      .flat()
      .flatMap((example) =>
        example < 0 ? [] : Array.from({ length: choices }, (_, i) => example * choices + i),
      );
    const length = roundedLength(Math.max(1, ...texts.map((text) => lengthOf(input_ids, text))), longest);
    const batches = lists.map((examples) => {
      const text = textBatch(features, examples, length, context.tokens.pad);
      return { ...text, ...task.labelInputs(split, examples, { length, draw }, text, context) };
    });
    const predictions = Math.max(
      0,
      ...batches.map(({ prediction_labels }) => prediction_labels?.length ?? 0),
    );
    const count = predictions === 0 ? 0 : roundedPredictions(predictions);
    return {
      layout: layoutOf(lists[0]!.length * choices, length, choices, count),
      batches: batches.map((batch) => withPredictions(batch, count)),
    };
  };

  const all = [...(train ? [train] : []), ...Object.values(evaluations)];
  const largestOf = (split: Split, batchSize: number) => {
    const lengths = exampleLengths(split.features);
    const example = lengths.reduce((best, length, i) => (length > lengths[best]! ? i : best), 0);
    return layOut(split, [new Array<number>(batchSize).fill(example)], 0).layout;
  };
  return {
    largest: train ? largestOf(train, trainBatchSize) : largestOf(all[0]!, evaluationBatchSize),
    ...(train && {
      train: {
        lengths: exampleLengths(train.features),
        batches: (lists: readonly (readonly number[])[], epoch: number) => layOut(train, lists, epoch),
      },
    }),
    evaluations: Object.fromEntries(
      Object.entries(evaluations).map(([name, split]): [string, EvaluationExamples] => [
        name,
        {
          count: split.features.examples,
          batchSize: evaluationBatchSize,
          batch: (examples) => layOut(split, [examples]),
          outputs: task.outputs,
          ownLength: (example, whole, { sequenceLength }) =>
            task.ownLength?.(lengthOf(split.features.input_ids, example), whole, sequenceLength) ?? whole,
          metrics: (evaluated) => task.metrics(evaluated, split, context),
        },
      ]),
    ),
  };
}

/** Filled up to so many places with none. */
function withPredictions(batch: Batch, count: number): Batch {
  const { prediction_positions: positions, prediction_labels: labels } = batch;
  if (!positions || !labels) return batch;
  const filled = (own: ArrayLike<number>, filling: number) => {
    const all = new Int32Array(count).fill(filling);
    all.set(own);
    return all;
  };
  return { ...batch, prediction_positions: filled(positions, -1), prediction_labels: filled(labels, -100) };
}
