import type { HostArray } from '../../engine/engine.js';
import { shareObject } from '../../parallel/objects.js';
import type { Ranks } from '../../parallel/ranks.js';
import type { Trainer } from '../trainer.js';
import { filler } from './sampling.js';
import type { EvaluatedBatch, EvaluationExamples } from './workload.js';

/**
 * Evaluates all examples, in their order; data ranks share the batches out. Every rank calls this.
 *
 * @param progress is told how many batches are done
 * @returns all batches in their order, on the last stage
 */
export async function evaluateExamples(
  trainer: Trainer,
  examples: EvaluationExamples,
  { mesh, place, groups }: Ranks,
  progress: (done: number, of: number) => void = () => undefined,
): Promise<EvaluatedBatch[]> {
  const { count, batchSize } = examples;
  const total = Math.ceil(count / batchSize);
  const own: EvaluatedBatch[] = [];
  for (let number = place.data; number < total; number += mesh.data) {
    const first = number * batchSize;
    const taken = Array.from({ length: Math.min(batchSize, count - first) }, (_, i) => first + i);
    own.push(await evaluateBatch(trainer, examples, taken, place.pipeline === mesh.pipeline - 1));
    progress(Math.min(total, number + mesh.data), total);
  }
  const all: EvaluatedBatch[][] = [];
  for (let rank = 0; rank < mesh.data; rank++) all.push(await shareObject(own, rank, groups.data));
  return Array.from(
    { length: total },
    (_, number) => all[number % mesh.data]![Math.floor(number / mesh.data)]!,
  );
}

async function evaluateBatch(
  trainer: Trainer,
  { batchSize, batch, outputs, ownLength }: EvaluationExamples,
  examples: readonly number[],
  isLastStage: boolean,
): Promise<EvaluatedBatch> {
  const filled = [...examples, ...new Array<number>(batchSize - examples.length).fill(filler)];
  const { layout, batches } = batch(filled);
  const scalars = await trainer.evaluate(batches[0]!, layout);
  const kept: Record<string, HostArray[]> = {};
  for (const name of isLastStage ? outputs : []) {
    const all = await trainer.readEvaluated(name);
    const whole = all.length / batchSize;
    kept[name] = examples.map((example, i) =>
      all.slice(i * whole, i * whole + ownLength(example, whole, layout)),
    );
  }
  return { examples, scalars, outputs: kept };
}

/** As transformers' Trainer has it: the mean of the batches' losses, each counted by its examples. */
export function meanLoss(evaluated: readonly EvaluatedBatch[]): number {
  let total = 0;
  let count = 0;
  for (const { examples, scalars } of evaluated) {
    total += scalars.loss! * examples.length;
    count += examples.length;
  }
  return total / count;
}
