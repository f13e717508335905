/** Fine-tunes with one combination of hyper-parameters after the other, and keeps the best model. */
import { mkdir } from 'node:fs/promises';
import { InputError } from '../../errors.js';
import { rankFromEnvironment } from '../../parallel/mpi/environment.js';
import { listCheckpoints } from '../../train/fine-tuning/checkpoint.js';
import { adapterConfigName } from '../../hub/open-model.js';
import { finetuneAndMeasure, FinetuningStopped, requireFree } from '../finetune.js';
import { optionsOf } from '../benchmarks/benchmarks.js';
import type { FinetuneOptions, TaskEvent, TaskOrBenchmark } from '../finetune-options.js';
import { withNamed } from '../named-options.js';
import { planRun } from '../plan-run.js';
import { onTaskRanks } from '../run-task.js';
import { combinations } from './combinations.js';
import {
  combinationCount,
  readSweep,
  type RunParameters,
  type Sweep,
  type SweepConfiguration,
} from './configuration.js';
import { writeSweepPage } from './sweep-page.js';
import { removeRuns, runFolder, takeBest, tidyRuns } from './run-folders.js';
import {
  bestRun,
  hasResults,
  readRuns,
  writeSweepResults,
  type Objective,
  type SweepResults,
  type SweepRun,
} from './sweep-results.js';

export interface SweepOptions extends Omit<FinetuneOptions, 'onEvent' | 'resume_from_checkpoint'> {
  /** A JSON file, or what would be in it. */
  readonly sweep: SweepConfiguration | string;
  /** Whether the sweep goes on that is in the output folder. */
  readonly resume_from_checkpoint?: boolean;
  readonly onEvent?: (event: SweepEvent) => void;
}

export type SweepEvent =
  | TaskEvent
  /** A run begins; `of` is infinite where time is the only limit. */
  | { readonly kind: 'run'; readonly run: number; readonly of: number; readonly parameters: RunParameters }
  | { readonly kind: 'run-ended'; readonly run: SweepRun };

/**
 * Fine-tunes a model with one combination of options after the other. Leaves the best model, results and reports of all
 * runs, `sweep_results.json` and `sweep.html`.
 *
 * @throws InputError for a sweep, data or a model that cannot be used; nothing was written then
 * @throws Error where all runs fail
 * @throws FinetuningStopped
 */
export async function sweep(options: TaskOrBenchmark<SweepOptions>): Promise<SweepResults> {
  const {
    sweep: given,
    onEvent,
    resume_from_checkpoint: goesOn = false,
    overwrite_output_dir,
    ...base
  } = optionsOf(options);
  const { output_dir: output } = base;
  const launched = rankFromEnvironment(process.env);
  if (launched)
    throw new InputError(
      `sweep: expected a process by itself, whose ranks are threads, found one that ${launched.launcher} started`,
    );
  const configuration = await readSweep(given);
  if (!goesOn) await requireFree(output, overwrite_output_dir ?? false, await hasResults(output));
  const { objective, modelFiles } = await planSweep(base);
  const runs = goesOn ? await readRuns(output, configuration, objective) : [];
  if (!goesOn) await removeRuns(output);
  await mkdir(output, { recursive: true });
  const write = async (): Promise<SweepResults> => {
    const results = { sweep: configuration, objective, runs, best: bestRun(runs, objective) };
    await writeSweepResults(output, results);
    await writeSweepPage(output, results);
    await tidyRuns(
      output,
      runs.map(({ run }) => run),
      results.best,
      modelFiles,
    );
    return results;
  };
  let results = await write();
  const most = Math.min(configuration.budget.runs ?? Infinity, combinationCount(configuration));
  let number = 0;
  for (const parameters of combinations(configuration)) {
    number++;
    if (number <= runs.length) continue;
    if (number > most || isTimeOver(configuration, runs)) break;
    if (base.stopSignal?.aborted)
      throw new FinetuningStopped(`stopped before run ${number}: go on with --resume-from-checkpoint`);
    onEvent?.({ kind: 'run', run: number, of: most, parameters });
    const folder = runFolder(output, number);
    const isBegun = (await listCheckpoints(folder)).length > 0;
    const run = await runOnce(number, parameters, objective, {
      ...withNamed(base, parameters),
      output_dir: folder,
      ...(isBegun ? { resume_from_checkpoint: true } : { overwrite_output_dir: true }),
      ...(onEvent && { onEvent }),
    });
    runs.push(run);
    results = await write();
    onEvent?.({ kind: 'run-ended', run });
  }
  if (results.best === null)
    throw new Error(`sweep: all ${runs.length} runs failed, the last with: ${runs.at(-1)!.error}`);
  await takeBest(output, results.best, modelFiles);
  return results;
}

/** What runs are compared by, and the files of their models besides weights. @throws InputError */
async function planSweep(
  options: FinetuneOptions,
): Promise<{ readonly objective: Objective; readonly modelFiles: string[] }> {
  const { plan, model } = await onTaskRanks(options, ({ mesh }) => planRun(options, mesh));
  if (!plan.best)
    throw new InputError(
      `sweep: expected runs that are evaluated, found ${options.eval_strategy === 'no' ? 'eval_strategy no' : 'nothing to evaluate on'}`,
    );
  const { metric, isGreater } = plan.best;
  return {
    objective: { metric, greater_is_better: isGreater },
    modelFiles: [...Object.keys(model.files), adapterConfigName],
  };
}

const isTimeOver = ({ budget: { minutes = Infinity } }: Sweep, runs: readonly SweepRun[]) =>
  runs.reduce((sum, { seconds }) => sum + seconds, 0) >= 60 * minutes;

/** @throws FinetuningStopped, and what `signal` is aborted with; other errors are the run's */
async function runOnce(
  number: number,
  parameters: RunParameters,
  { metric }: Objective,
  options: FinetuneOptions,
): Promise<SweepRun> {
  const started = performance.now();
  const ended = () => ({ run: number, parameters, seconds: (performance.now() - started) / 1000 });
  try {
    const { metrics } = await finetuneAndMeasure(options);
    for (const name of ['eval_loss', metric])
      if (!Number.isFinite(metrics[name]))
        throw new Error(`${name}: expected a finite number, found ${metrics[name]}`);
    const finite = Object.entries(metrics).map(([name, x]) => [name, Number.isFinite(x) ? x : null]);
    return {
      ...ended(),
      objective: metrics[metric]!,
      metrics: Object.fromEntries(finite) as Record<string, number | null>,
    };
  } catch (error) {
    if (error instanceof FinetuningStopped || options.signal?.aborted) throw error;
    return { ...ended(), error: error instanceof Error ? error.message : String(error) };
  }
}
