/** A task's ranks: threads of this process, or the processes that a launcher of MPI started, of which this is one. */
import { launchRanks } from '../parallel/launch.js';
import { meshSize, rankAt, reporterOf, type Mesh } from '../parallel/mesh.js';
import { rankFromEnvironment } from '../parallel/mpi/environment.js';
import { runMpiRank } from '../parallel/mpi/rank.js';
import { shareObject } from '../parallel/objects.js';
import type { Ranks } from '../parallel/ranks.js';
import { threadsOfRank } from '../parallel/threads.js';
import { resolveMesh } from '../train/mesh-options.js';
import type { FineTuneEvent } from '../train/fine-tuning/fine-tune-rank.js';
import type { TaskRunOptions } from './finetune-options.js';
import { taskRank, type RankResult, type RankTask } from './task-rank.js';

/** Where a task is computed. */
export interface TaskRanks {
  readonly mesh: Mesh;
  /** Whether this process writes what comes of it. */
  readonly leads: boolean;
  /** What the leading process has found out, for all. */
  readonly share: <Value>(find: () => Promise<Value>) => Promise<Value>;
  /** @returns what the rank that knows the loss has found */
  readonly run: (task: Omit<RankTask, 'threads'>) => Promise<RankResult>;
}

/** Minutes that a process waits for another, which may have texts to encode. */
const longestSilence = 60;

/** Does what every process does. */
export async function onTaskRanks<Result>(
  options: TaskRunOptions,
  work: (ranks: TaskRanks) => Promise<Result>,
): Promise<Result> {
  const launched = rankFromEnvironment(process.env);
  const mesh = meshOf(options, launched?.size);
  if (!launched) return work(onThreads(mesh, options));
  return runMpiRank((ranks) => work(onProcesses(ranks, options)), {
    mesh,
    timeoutSeconds: 60 * longestSilence,
    ...(options.mpi_library !== undefined && { library: options.mpi_library }),
  });
}

const meshOf = (options: TaskRunOptions, processes?: number): Mesh => {
  const { tensor_parallel_size, pipeline_parallel_size, data_parallel_size } = options;
  return resolveMesh(
    {
      ...(tensor_parallel_size !== undefined && { tensorModelParallelSize: tensor_parallel_size }),
      ...(pipeline_parallel_size !== undefined && { pipelineModelParallelSize: pipeline_parallel_size }),
      ...(data_parallel_size !== undefined && { dataParallelSize: data_parallel_size }),
    },
    processes,
  );
};

const threadsOf = ({ threads }: TaskRunOptions, ranks: number) => threads ?? threadsOfRank(ranks);

function onThreads(mesh: Mesh, options: TaskRunOptions): TaskRanks {
  const { onEvent, signal } = options;
  return {
    mesh,
    leads: true,
    share: (find) => find(),
    async run(task) {
      const results = await launchRanks<RankTask, FineTuneEvent, RankResult>({
        mesh,
        module: new URL('./task-thread.js', import.meta.url),
        task: { ...task, threads: threadsOf(options, meshSize(mesh)) },
        ...(onEvent && { onEvent }),
        ...(signal && { signal }),
      });
      return results[rankAt(reporterOf(mesh), mesh)]!;
    },
  };
}

/** The process of the rank that knows the loss leads. */
function onProcesses(ranks: Ranks, options: TaskRunOptions): TaskRanks {
  const { world } = ranks.groups;
  const leader = rankAt(reporterOf(ranks.mesh), ranks.mesh);
  const leads = world.rank === leader;
  return {
    mesh: ranks.mesh,
    leads,
    share: async (find) => shareObject(leads ? await find() : undefined, leader, world),
    async run(task) {
      const result = await taskRank({ ...task, threads: options.threads ?? 1 }, ranks, (event) =>
        options.onEvent?.(event),
      );
      return shareObject(leads ? result : undefined, leader, world);
    },
  };
}
