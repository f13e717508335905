import { Worker } from 'node:worker_threads';
import { abortSharedGroup, createSharedGroup, type SharedGroup } from './shared-memory.js';

/** What a rank's thread is started with (its `workerData`). */
export interface RankStart<Task> {
  readonly rank: number;
  readonly group: SharedGroup;
  readonly task: Task;
}

/** What a rank's thread reports. */
export type RankMessage<Event, Result> =
  | { readonly kind: 'event'; readonly event: Event }
  | { readonly kind: 'result'; readonly result: Result }
  | { readonly kind: 'error'; readonly error: Error };

export interface LaunchOptions<Task, Event> {
  readonly size: number;
  /** The module that each rank's thread runs: see `runRank`. */
  readonly module: URL;
  /** Given to every rank; shared arrays in it are shared. */
  readonly task: Task;
  readonly onEvent?: (event: Event, rank: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Runs a module on `size` ranks, each a thread of this process, and waits for all of them.
 *
 * @returns the ranks' results, in their order
 * @throws the first error of any rank, after the others were stopped; `rank N: …` where there are several
 */
export async function launchRanks<Task, Event, Result>(
  options: LaunchOptions<Task, Event>,
): Promise<Result[]> {
  const { size, module, task, onEvent, signal } = options;
  const group = createSharedGroup(size);
  const workers = Array.from(
    { length: size },
    (_, rank) => new Worker(module, { workerData: { rank, group, task } satisfies RankStart<Task> }),
  );
  const stop = () => {
    abortSharedGroup(group);
  };
  signal?.addEventListener('abort', stop);
  const finished = workers.map(
    (worker, rank) =>
      new Promise<Result>((resolve, reject) => {
        const fail = (error: Error) => {
          reject(size > 1 ? Object.assign(error, { message: `rank ${rank}: ${error.message}` }) : error);
        };
        worker.on('message', (message: RankMessage<Event, Result>) => {
          if (message.kind === 'event') onEvent?.(message.event, rank);
          else if (message.kind === 'result') resolve(message.result);
          else fail(message.error);
        });
        worker.on('error', fail);
        worker.on('exit', (code) => {
          fail(new Error(`ended with code ${code} before it was done`));
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
