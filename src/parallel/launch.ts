import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import { groupNames, groupsOf, meshSize, type GroupName, type Mesh } from './mesh.js';
import { RankLost } from './rank-lost.js';
import { abortSharedGroup, createSharedGroup, type SharedGroup } from './shared-memory.js';

/** What a rank's thread is started with (its `workerData`). */
export interface RankStart<Task> {
  readonly rank: number;
  readonly mesh: Mesh;
  /** Those that it is in. */
  readonly groups: Readonly<Record<GroupName, SharedGroup>>;
  /** To the ranks that it exchanges messages with. */
  readonly ports: ReadonlyMap<number, MessagePort>;
  readonly timeoutSeconds: number;
  readonly task: Task;
}

/** What a rank's thread reports. */
export type RankMessage<Event, Result> =
  | { readonly kind: 'event'; readonly event: Event }
  | { readonly kind: 'result'; readonly result: Result }
  /** `isLost`: another rank was not there any more. */
  | { readonly kind: 'error'; readonly error: Error; readonly isLost: boolean };

export interface LaunchOptions<Task, Event> {
  readonly mesh: Mesh;
  /** The module that each rank's thread runs: see `runRank`. */
  readonly module: URL;
  /** Given to every rank; shared arrays in it are shared. */
  readonly task: Task;
  /** How long a rank waits for another before the run ends; as Megatron-LM, ten minutes by default. */
  readonly timeoutSeconds?: number;
  readonly onEvent?: (event: Event, rank: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Runs a module on the ranks of a mesh, each a thread of this process, and waits for all of them.
 *
 * @returns the ranks' results, in their order
 * @throws the first error of any rank, after the others were stopped, `rank N: …` where there are several; RankLost where
 *   one is gone or does not answer
 */
export async function launchRanks<Task, Event, Result>(
  options: LaunchOptions<Task, Event>,
): Promise<Result[]> {
  const { mesh, module, task, timeoutSeconds = 600, onEvent, signal } = options;
  const size = meshSize(mesh);
  const shared = shareGroups(mesh);
  const ports = connectPipelines(mesh);
  const workers = Array.from({ length: size }, (_, rank) => {
    const workerData: RankStart<Task> = {
      rank,
      mesh,
      groups: shared.of(rank),
      ports: ports[rank]!,
      timeoutSeconds,
      task,
    };
    return new Worker(module, { workerData, transferList: [...ports[rank]!.values()] });
  });
  const stop = () => {
    shared.all.forEach(abortSharedGroup);
  };
  signal?.addEventListener('abort', stop);
  const finished = workers.map(
    (worker, rank) =>
      new Promise<Result>((resolve, reject) => {
        const named = (message: string) => (size > 1 ? `rank ${rank}: ${message}` : message);
        const lose = (message: string) => {
          reject(new RankLost(named(message)));
        };
        worker.on('message', (message: RankMessage<Event, Result>) => {
          if (message.kind === 'event') onEvent?.(message.event, rank);
          else if (message.kind === 'result') resolve(message.result);
          else if (message.isLost) lose(message.error.message);
          else reject(Object.assign(message.error, { message: named(message.error.message) }));
        });
        worker.on('error', (error) => {
          reject(Object.assign(error, { message: named(error.message) }));
        });
        worker.on('exit', (code) => {
          lose(`ended with code ${code} before it was done`);
        });
      }),
  );
  try {
    signal?.throwIfAborted();
    return await Promise.all(finished);
  } catch (error) {
    stop();
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
    await Promise.all(workers.map((worker) => worker.terminate()));
    await Promise.allSettled(finished);
  }
}

function shareGroups(mesh: Mesh) {
  const created = groupNames.map((name) => [name, groupsOf(name, mesh).map(createSharedGroup)] as const);
  return {
    all: created.flatMap(([, groups]) => groups),
    of: (rank: number) =>
      Object.fromEntries(
        created.map(([name, groups]) => [name, groups.find(({ ranks }) => ranks.includes(rank))!]),
      ) as Record<GroupName, SharedGroup>,
  };
}

/** Each rank's ports to the others of its pipeline, by their numbers in it. */
function connectPipelines(mesh: Mesh): Map<number, MessagePort>[] {
  const ports = Array.from({ length: meshSize(mesh) }, () => new Map<number, MessagePort>());
  for (const ranks of groupsOf('pipeline', mesh))
    for (const [a, first] of ranks.entries())
      for (const [b, second] of ranks.entries())
        if (a < b) {
          const { port1, port2 } = new MessageChannel();
          ports[first]!.set(b, port1);
          ports[second]!.set(a, port2);
        }
  return ports;
}
