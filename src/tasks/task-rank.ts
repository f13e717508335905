/** What a rank of `finetune` or `evaluate` does, be it a thread or a process. */
import { openEngine } from '../engine/node.js';
import type { Ranks } from '../parallel/ranks.js';
import {
  evaluateRank,
  fineTuneRank,
  type FineTuned,
  type FineTuneEvent,
  type FineTuneTask,
} from '../train/fine-tuning/fine-tune-rank.js';
import type { Predictions } from './task.js';
import { taskOf, type MeasuredTask } from './tasks.js';
import { createWorkload, type WorkloadOptions } from './workload.js';

/** All that a rank is told; plain data. */
export interface RankTask {
  readonly task: MeasuredTask;
  readonly workload: WorkloadOptions;
  readonly fineTuning: FineTuneTask;
  /** Threads that each rank computes with. */
  readonly threads: number;
}

export interface RankResult extends Omit<FineTuned, 'evaluations'> {
  /** On the rank that knows the loss. */
  readonly evaluations: Readonly<Record<string, EvaluationResult>>;
}

export interface EvaluationResult {
  readonly metrics: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly examples: number;
  readonly predictions: Predictions;
}

export async function taskRank(
  { task: name, workload: options, fineTuning, threads }: RankTask,
  ranks: Ranks,
  report: (event: FineTuneEvent) => void,
): Promise<RankResult> {
  const task = taskOf(name);
  const engine = openEngine({ threads, groups: ranks.groups });
  const workload = createWorkload(task, options, ranks);
  const parts = { engine, ranks, workload };
  const { evaluations, ...result } = await (workload.train ? fineTuneRank : evaluateRank)(
    fineTuning,
    parts,
    report,
  );
  await engine.release();
  return {
    ...result,
    evaluations: Object.fromEntries(
      Object.entries(evaluations).map(([prefix, { metrics, seconds, evaluated }]) => {
        const split = options.evaluations[prefix]!;
        const predictions = task.predictions(evaluated, split, options.context);
        return [prefix, { metrics, seconds, examples: split.features.examples, predictions }];
      }),
    ),
  };
}
