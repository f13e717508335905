import { parentPort, workerData } from 'node:worker_threads';
import { singleCommunicator, type Communicator } from './communicator.js';
import type { RankMessage, RankStart } from './launch.js';
import { groupNames, placeOf, type GroupName } from './mesh.js';
import { RankLost } from './rank-lost.js';
import type { Ranks } from './ranks.js';
import { joinSharedGroup } from './shared-memory.js';

/** What a rank does with the task that all ranks are given. */
export type RankWork<Task, Event, Result> = (
  task: Task,
  ranks: Ranks,
  report: (event: Event) => void,
) => Promise<Result>;

/** The body of a module that `launchRanks` runs: does the rank's work and reports how it ended. */
export async function runRank<Task, Event, Result>(work: RankWork<Task, Event, Result>): Promise<void> {
  const start = workerData as RankStart<Task>;
  const post = (message: RankMessage<Event, Result>) => {
    parentPort!.postMessage(message);
  };
  try {
    const result = await work(start.task, joinGroups(start), (event) => {
      post({ kind: 'event', event });
    });
    post({ kind: 'result', result });
  } catch (error) {
    post({
      kind: 'error',
      error: error instanceof Error ? error : new Error(String(error)),
      isLost: error instanceof RankLost,
    });
  }
}

function joinGroups<Task>({ rank, mesh, groups, ports, timeoutSeconds }: RankStart<Task>): Ranks {
  const joined = groupNames.map((name): [GroupName, Communicator] => {
    const group = groups[name];
    if (group.ranks.length === 1) return [name, singleCommunicator];
    const options = { timeoutSeconds, ...(name === 'pipeline' && { ports }) };
    return [name, joinSharedGroup(group, group.ranks.indexOf(rank), options)];
  });
  return {
    mesh,
    place: placeOf(rank, mesh),
    groups: Object.fromEntries(joined) as Record<GroupName, Communicator>,
  };
}
