import { rankFromEnvironment } from '../parallel/mpi/environment.js';
import { RankLost } from '../parallel/rank-lost.js';
import { resolveMesh } from './mesh-options.js';
import { pretrainOnProcesses } from './on-processes.js';
import { trainOnThreads } from './on-threads.js';
import { prepareRun } from './prepare-run.js';
import type { PretrainOptions } from './pretrain-options.js';
import { recordRun } from './record-run.js';
import type { PretrainSummary } from './summary.js';

/**
 * Pretrains a `MegatronBertForPreTraining` or a `GPT2LMHeadModel` on text, divided over threads of this process, or over
 * the processes that a launcher of MPI (`mpirun`, `srun`) started, of which this is one. It writes a model folder that
 * transformers loads, with `log.jsonl`, `loss.svg` and `summary.json`.
 *
 * @throws InputError for options, a corpus or a tokenizer that cannot be used; nothing was written then
 * @throws PretrainingStopped where the run ends before its last iteration, to go on later
 */
export async function pretrain(given: PretrainOptions): Promise<PretrainSummary> {
  const launched = rankFromEnvironment(process.env);
  if (launched) return pretrainOnProcesses(given, launched);
  let options = given;
  for (let left = given.restarts ?? 0; ; left--)
    try {
      const prepared = await prepareRun(options, resolveMesh(options), true);
      return await recordRun(prepared, (recorder) => trainOnThreads(prepared, recorder));
    } catch (error) {
      if (!(error instanceof RankLost) || left === 0) throw error;
      const message = `${error.message}: begun again from what was saved, ${left - 1} restarts left`;
      given.onEvent?.({ kind: 'warning', message });
      options = { ...given, resume: true };
    }
}
