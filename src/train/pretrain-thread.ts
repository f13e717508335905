/** A rank that is a thread: the module that `trainOnThreads` launches. */
import { runRank } from '../parallel/rank.js';
import {
  pretrainRank,
  type PretrainRankResult,
  type PretrainTask,
  type RunEvent,
  type SavedProgress,
} from './pretrain-rank.js';
import type { Snapshot } from './snapshot.js';

/** For the main thread to write. */
export interface SnapshotEvent extends SavedProgress {
  readonly kind: 'snapshot';
  readonly snapshot: Snapshot;
}

export type ThreadEvent = RunEvent | SnapshotEvent;

await runRank<PretrainTask, ThreadEvent, PretrainRankResult>((task, ranks, report) =>
  pretrainRank(task, ranks, {
    report,
    save: (progress, snapshot) => {
      if (snapshot) report({ kind: 'snapshot', ...progress, snapshot });
    },
  }),
);
