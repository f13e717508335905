/** In which order examples are trained on. */
import { randomBits, randomKey } from '../../random.js';

export const samplingStrategies = ['random', 'group_by_length', 'sequential'] as const;
export type SamplingStrategy = (typeof samplingStrategies)[number];

export interface SamplingOptions {
  readonly strategy: SamplingStrategy;
  readonly seed: number;
  /** Examples of a micro-batch. */
  readonly microBatchSize: number;
  /** Micro-batches of an update, of all data ranks. */
  readonly microBatches: number;
}

/** Batches whose examples are sorted by length at once: more make batches of more equal lengths, fewer a freer order. */
const batchesSorted = 50;

/** An epoch's order: a function of the seed and the epoch. @param lengths of the examples, in tokens */
export function epochOrder(
  lengths: ArrayLike<number>,
  epoch: number,
  { strategy, seed, microBatchSize, microBatches }: SamplingOptions,
): number[] {
  const order = Array.from({ length: lengths.length }, (_, i) => i);
  if (strategy === 'sequential') return order;
  shuffle(order, seed, epoch);
  if (strategy === 'random') return order;
  // each step's micro-batches are padded to one length
  const stepSize = microBatchSize * microBatches;
  const size = stepSize * batchesSorted;
  const steps: number[][] = [];
  for (let start = 0; start < order.length; start += size) {
    const sorted = order.slice(start, start + size).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
    for (let i = 0; i < sorted.length; i += stepSize) steps.push(sorted.slice(i, i + stepSize));
  }
  // the rest of the epoch is a step like others, but the last
  const last = steps.at(-1)!.length < stepSize ? steps.pop() : undefined;
  shuffle(steps, seed, epoch);
  return [...steps, ...(last ? [last] : [])].flat();
}

/** Fisher and Yates. */
function shuffle(items: unknown[], seed: number, epoch: number): void {
  const key = randomKey(seed, 'order', epoch, items.length);
  for (let i = items.length - 1; i > 0; i--) {
    const j = randomBits(key, i) % (i + 1);
    [items[i], items[j]] = [items[j], items[i]];
  }
}

/** Updates of an epoch. The last may have fewer micro-batches, and its last one fewer examples. */
export const stepsPerEpoch = (
  examples: number,
  { microBatchSize, microBatches }: Pick<SamplingOptions, 'microBatchSize' | 'microBatches'>,
) => Math.ceil(examples / (microBatchSize * microBatches));

/** What stands for no example, where a micro-batch is not full. */
export const filler = -1;

/**
 * The examples of a step's micro-batches, of all data ranks: number i is of the rank i mod ranks. Each rank gets as many;
 * where the epoch's examples do not suffice, its first ones come again, as torch's `DistributedSampler` has it.
 */
export function stepExamples(
  order: readonly number[],
  step: number,
  { microBatchSize, microBatches }: Pick<SamplingOptions, 'microBatchSize' | 'microBatches'>,
  dataRanks: number,
): number[][] {
  const size = microBatchSize * microBatches;
  const left = order.slice(step * size, (step + 1) * size);
  const round = microBatchSize * dataRanks;
  if (dataRanks > 1) for (let i = 0; left.length % round !== 0; i++) left.push(order[i % order.length]!);
  return Array.from({ length: Math.ceil(left.length / microBatchSize) }, (_, i) => {
    const examples = left.slice(i * microBatchSize, (i + 1) * microBatchSize);
    return [...examples, ...new Array<number>(microBatchSize - examples.length).fill(filler)];
  });
}
