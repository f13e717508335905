/** How the learning rate and the batch change in a run, as Megatron-LM 2.x to 23.04 change them. */

export const decayStyles = ['linear', 'cosine', 'constant', 'inverse-square-root'] as const;
export type DecayStyle = (typeof decayStyles)[number];

/** Linear warm-up, then decay (Megatron-LM's `AnnealingLR`), counted in iterations. */
export interface LearningRateSchedule {
  readonly learningRate: number;
  readonly minLearningRate: number;
  readonly warmupIterations: number;
  readonly decayIterations: number;
  readonly decayStyle: DecayStyle;
}

/** The rate of the update after `completed` iterations: the first update of a run that warms up has rate 0. */
export function learningRateAt(completed: number, schedule: LearningRateSchedule): number {
  const { learningRate, minLearningRate, warmupIterations, decayIterations, decayStyle } = schedule;
  if (completed <= warmupIterations && warmupIterations > 0)
    return (learningRate * completed) / warmupIterations;
  if (decayStyle === 'constant') return learningRate;
  if (completed > decayIterations) return minLearningRate;
  if (decayStyle === 'inverse-square-root')
    return Math.max(
      minLearningRate,
      learningRate * Math.sqrt(Math.max(warmupIterations, 1) / Math.max(completed, 1)),
    );
  const ratio = (completed - warmupIterations) / (decayIterations - warmupIterations);
  const left = decayStyle === 'linear' ? 1 - ratio : 0.5 * (Math.cos(Math.PI * ratio) + 1);
  return minLearningRate + left * (learningRate - minLearningRate);
}

/** A batch that grows from `start` by `increment` while the first `samples` are consumed. */
export interface BatchRampUp {
  readonly start: number;
  readonly increment: number;
  readonly samples: number;
}

export interface BatchSchedule {
  readonly globalBatchSize: number;
  readonly microBatchSize: number;
  readonly rampUp?: BatchRampUp;
}

/** Micro-batches of the update after so many samples. */
export function microBatchesAt(
  consumed: number,
  { globalBatchSize, microBatchSize, rampUp }: BatchSchedule,
): number {
  if (!rampUp || consumed > rampUp.samples) return globalBatchSize / microBatchSize;
  const increments = (globalBatchSize - rampUp.start) / rampUp.increment;
  const grown = Math.floor((consumed * increments) / rampUp.samples);
  return Math.floor((rampUp.start + grown * rampUp.increment) / microBatchSize);
}
