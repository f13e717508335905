/** A run whose ranks are threads of this process. */
import { hostname } from 'node:os';
import { launchRanks } from '../parallel/launch.js';
import { rankAt, reporterOf } from '../parallel/mesh.js';
import { RankLost } from '../parallel/rank-lost.js';
import type { PreparedRun } from './prepare-run.js';
import type { PretrainRankResult, PretrainTask } from './pretrain-rank.js';
import type { ThreadEvent } from './pretrain-thread.js';
import type { RunRecorder } from './record-run.js';
import { checkpointsOf } from './resume.js';
import { createSaving } from './saving.js';

/** Runs the ranks, and writes their checkpoints while they go on. */
export async function trainOnThreads(
  { options, task, mesh, run, division }: PreparedRun,
  { tell, flush }: RunRecorder,
): Promise<PretrainRankResult> {
  const { keepLast = 2, keepEvery, onEvent, signal, stopSignal } = options;
  const failure = new AbortController();
  const saving = createSaving({
    folder: checkpointsOf(options.output),
    division,
    run,
    rotation: { keepLast, ...(keepEvery !== undefined && { keepEvery }) },
    // what a checkpoint goes on from is on record
    prepare: flush,
    onFailure: (error) => {
      failure.abort(error);
    },
    onSaved: (iteration) => onEvent?.({ kind: 'saved', iteration }),
  });
  const stop = () => {
    Atomics.store(new Int32Array(task.stop), 0, 1);
  };
  let iteration = task.resumed?.manifest.iteration ?? 0;
  stopSignal?.addEventListener('abort', stop);
  if (stopSignal?.aborted) stop();
  try {
    const results = await launchRanks<PretrainTask, ThreadEvent, PretrainRankResult>({
      mesh,
      timeoutSeconds: 60 * (options.distributedTimeoutMinutes ?? 10),
      module: new URL('./pretrain-thread.js', import.meta.url),
      task,
      signal: AbortSignal.any([failure.signal, ...(signal ? [signal] : [])]),
      onEvent: (event) => {
        if (event.kind === 'step') iteration = event.iteration;
        if (event.kind === 'snapshot') saving.add(event);
        else tell(event);
      },
    });
    await saving.done();
    await flush();
    return results[rankAt(reporterOf(mesh), mesh)]!;
  } catch (error) {
    if (!(error instanceof RankLost)) throw error;
    throw new RankLost(`after iteration ${iteration}, on ${hostname()}: ${error.message}`, { cause: error });
  } finally {
    stopSignal?.removeEventListener('abort', stop);
    await saving.done().catch(() => undefined);
  }
}
