/** A run whose ranks are processes that a launcher of MPI started. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { writeParts, writeTrainingCheckpoint, type CheckpointFile } from '../checkpoint/training/write.js';
import type { Communicator } from '../parallel/communicator.js';
import { rankAt, reporterOf } from '../parallel/mesh.js';
import type { LaunchedRank } from '../parallel/mpi/environment.js';
import { runMpiRank } from '../parallel/mpi/rank.js';
import { hearObject, tellObject } from '../parallel/objects.js';
import type { Ranks } from '../parallel/ranks.js';
import { resolveMesh } from './mesh-options.js';
import { prepareRun, type PreparedRun } from './prepare-run.js';
import type { PretrainOptions } from './pretrain-options.js';
import { pretrainRank, type PretrainRankResult, type SavedProgress } from './pretrain-rank.js';
import { PretrainingStopped, recordRun, summaryName, type RunRecorder } from './record-run.js';
import { checkpointsOf } from './resume.js';
import { savedState } from './saving.js';
import { releaseSnapshot, stateOf, type Snapshot } from './snapshot.js';
import type { PretrainSummary } from './summary.js';

/** Does this process's part of a run; every process returns the run's summary, or ends as it ends. */
export async function pretrainOnProcesses(
  given: PretrainOptions,
  { size }: LaunchedRank,
): Promise<PretrainSummary> {
  const mesh = resolveMesh(given, size);
  const { mpiLibrary: library, distributedTimeoutMinutes = 10 } = given;
  const ended = await runMpiRank<PretrainSummary | PretrainingStopped>(
    async (ranks) => {
      const { world } = ranks.groups;
      const leader = rankAt(reporterOf(mesh), mesh);
      const leads = world.rank === leader;
      // the others find what the first one has made
      if (!leads) await waitFor(leader, world);
      const prepare = () => prepareRun(given, mesh, leads);
      const prepared = leads ? await sayingSo(prepare, world) : await prepare();
      const train = (recorder?: RunRecorder) => trainProcess(prepared, ranks, recorder);
      const ended = leads
        ? await recordRun(prepared, train).catch(stopped)
        : await train().then(({ completed: { iterations } }) =>
            iterations < prepared.task.trainIterations
              ? new PretrainingStopped(iterations, given.output)
              : undefined,
          );
      await world.barrier();
      return ended ?? readSummary(given.output);
    },
    { mesh, timeoutSeconds: 60 * distributedTimeoutMinutes, ...(library !== undefined && { library }) },
  );
  if (ended instanceof PretrainingStopped) throw ended;
  return ended;
}

/** Milliseconds between two signs of life: the others take a rank that is silent for lost. */
const signInterval = 10_000;
const [works, isDone] = [0, 1];

/** Does what may take longer than the others would wait. */
async function sayingSo<Result>(work: () => Promise<Result>, world: Communicator): Promise<Result> {
  const tell = (sign: number) => world.broadcast(Float32Array.of(sign), world.rank);
  const timer = setInterval(() => {
    void tell(works);
  }, signInterval);
  const result = await work().finally(() => {
    clearInterval(timer);
  });
  await tell(isDone);
  return result;
}

/** Until a rank has done what it does with `sayingSo`. */
async function waitFor(rank: number, world: Communicator): Promise<void> {
  const sign = new Float32Array(1);
  do await world.broadcast(sign, rank);
  while (sign[0] !== isDone);
}

function stopped(error: unknown): PretrainingStopped {
  if (error instanceof PretrainingStopped) return error;
  throw error;
}

const readSummary = async (output: string) =>
  JSON.parse(await readFile(path.join(output, summaryName), 'utf8')) as PretrainSummary;

/** @param recorder of the process that records the run */
async function trainProcess(
  prepared: PreparedRun,
  ranks: Ranks,
  recorder: RunRecorder | undefined,
): Promise<PretrainRankResult> {
  const { options, task } = prepared;
  const { stopSignal, signal } = options;
  const stop = () => {
    Atomics.store(new Int32Array(task.stop), 0, 1);
  };
  stopSignal?.addEventListener('abort', stop);
  if (stopSignal?.aborted) stop();
  try {
    return await pretrainRank(task, ranks, {
      report: (event) => {
        signal?.throwIfAborted();
        recorder?.tell(event);
      },
      save: (progress, snapshot) => saveTogether(prepared, progress, snapshot, ranks.groups.world, recorder),
    });
  } finally {
    stopSignal?.removeEventListener('abort', stop);
  }
}

/** Each process writes what it has, into a folder that all see; the one that records the run makes it a checkpoint. */
async function saveTogether(
  { options, mesh, run, division }: PreparedRun,
  progress: SavedProgress,
  snapshot: Snapshot | undefined,
  world: Communicator,
  recorder: RunRecorder | undefined,
): Promise<void> {
  const parts = snapshot ? [stateOf(snapshot)] : [];
  const checkpoints = checkpointsOf(options.output);
  const { keepLast = 2, keepEvery, onEvent } = options;
  if (recorder) {
    await recorder.flush();
    const rotation = { keepLast, ...(keepEvery !== undefined && { keepEvery }) };
    const state = savedState(progress, { division, run });
    await writeTrainingCheckpoint(checkpoints, state, parts, rotation, async (folder, write) => {
      await tellObject(path.basename(folder), world);
      const own = await write();
      await world.barrier();
      return [...own, ...(await filesOfOthers(folder, world))];
    });
    onEvent?.({ kind: 'saved', iteration: progress.completed.iterations });
  } else {
    const name = (await hearObject(rankAt(reporterOf(mesh), mesh), world)) as string;
    const folder = path.join(checkpoints, name);
    const files = await writeParts(folder, division, parts);
    await writeFile(path.join(folder, listOf(world.rank)), JSON.stringify(files));
    await world.barrier();
  }
  if (snapshot) releaseSnapshot(snapshot);
  await world.barrier();
}

/** What a process has written, for the one that writes the manifest. */
const listOf = (rank: number) => `.files-${rank}.json`;

async function filesOfOthers(folder: string, { rank, size }: Communicator): Promise<CheckpointFile[]> {
  const files: CheckpointFile[] = [];
  for (let other = 0; other < size; other++) {
    if (other === rank) continue;
    const list = path.join(folder, listOf(other));
    files.push(...(JSON.parse(await readFile(list, 'utf8')) as CheckpointFile[]));
    await rm(list);
  }
  return files;
}
