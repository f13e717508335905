/**
 * Which data set each sample of a blend is of, as Megatron-LM chooses it: always the one that is farthest behind its
 * weight.
 *
 * @param weights of all data sets; their sum is 1
 * @param emit is told the data set, and how many of its samples came before
 */
export function blend(
  weights: readonly number[],
  count: number,
  emit: (dataset: number, sample: number) => void,
): void {
  const taken = weights.map(() => 0);
  for (let i = 0; i < count; i++) {
    const errors = weights.map((weight, k) => weight * Math.max(i, 1) - taken[k]!);
    const chosen = errors.indexOf(Math.max(...errors));
    emit(chosen, taken[chosen]!++);
  }
}

/** Samples that a data set is asked for, a few more than its share of `count`. */
export const samplesOfShare = (weight: number, count: number): number => Math.ceil(count * weight * 1.005);
