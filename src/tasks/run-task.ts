/** A task's ranks: threads of this process. */
import { availableParallelism } from 'node:os';
import { launchRanks } from '../parallel/launch.js';
import { meshSize, rankAt, reporterOf, type Mesh } from '../parallel/mesh.js';
import { resolveMesh } from '../train/mesh-options.js';
import type { FineTuneEvent } from '../train/fine-tuning/fine-tune-rank.js';
import type { TaskRunOptions } from './finetune-options.js';
import type { RankResult, RankTask } from './task-rank.js';

export const meshOf = (options: TaskRunOptions): Mesh =>
  resolveMesh({
    ...(options.tensor_parallel_size !== undefined && {
      tensorModelParallelSize: options.tensor_parallel_size,
    }),
    ...(options.pipeline_parallel_size !== undefined && {
      pipelineModelParallelSize: options.pipeline_parallel_size,
    }),
    ...(options.data_parallel_size !== undefined && { dataParallelSize: options.data_parallel_size }),
  });

/** @returns what the rank that knows the loss has found */
export async function runTask(
  task: Omit<RankTask, 'threads'>,
  mesh: Mesh,
  { threads, onEvent, signal }: TaskRunOptions,
): Promise<RankResult> {
  const results = await launchRanks<RankTask, FineTuneEvent, RankResult>({
    mesh,
    module: new URL('./task-thread.js', import.meta.url),
    task: { ...task, threads: threads ?? Math.max(1, Math.floor(availableParallelism() / meshSize(mesh))) },
    ...(onEvent && { onEvent }),
    ...(signal && { signal }),
  });
  return results[rankAt(reporterOf(mesh), mesh)]!;
}
