import { parentPort, workerData } from 'node:worker_threads';
import { singleCommunicator, type Communicator } from './communicator.js';
import type { RankMessage, RankStart } from './launch.js';
import { joinSharedGroup } from './shared-memory.js';

/** What a rank does with the task that all ranks are given. */
export type RankWork<Task, Event, Result> = (
  task: Task,
  communicator: Communicator,
  report: (event: Event) => void,
) => Promise<Result>;

/** The body of a module that `launchRanks` runs: does the rank's work and reports how it ended. */
export async function runRank<Task, Event, Result>(work: RankWork<Task, Event, Result>): Promise<void> {
  const { rank, group, task } = workerData as RankStart<Task>;
  const post = (message: RankMessage<Event, Result>) => {
    parentPort!.postMessage(message);
  };
  try {
    const communicator = group.size === 1 ? singleCommunicator : joinSharedGroup(group, rank);
    const result = await work(task, communicator, (event) => {
      post({ kind: 'event', event });
    });
    post({ kind: 'result', result });
  } catch (error) {
    post({ kind: 'error', error: error instanceof Error ? error : new Error(String(error)) });
  }
}
