/** Linear warm-up, then linear decay (Megatron-LM 2.x's `AnnealingLR`), counted in iterations. */
export interface LearningRateSchedule {
  readonly learningRate: number;
  readonly minLearningRate: number;
  readonly warmupIterations: number;
  readonly decayIterations: number;
}

/** The rate of the update after `completed` iterations: the first update of a run that warms up has rate 0. */
export function learningRateAt(completed: number, schedule: LearningRateSchedule): number {
  const { learningRate, minLearningRate, warmupIterations, decayIterations } = schedule;
  if (completed <= warmupIterations && warmupIterations > 0)
    return (learningRate * completed) / warmupIterations;
  if (completed > decayIterations) return minLearningRate;
  const left = 1 - (completed - warmupIterations) / (decayIterations - warmupIterations);
  return minLearningRate + left * (learningRate - minLearningRate);
}
