/** The folders of a sweep's runs: of all models only the best one's is kept. */
import { constants } from 'node:fs';
import { cp, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { makeFolder } from '../../checkpoint/new-folder.js';

export const runFolder = (output: string, run: number) => path.join(output, `run-${run}`);
export const bestFolder = (output: string) => path.join(output, 'best');

const isWeights = (name: string) => name.endsWith('.safetensors');
/** What was not finished is hidden. */
const isCheckpoint = (name: string) => name.startsWith('checkpoint-') || name.startsWith('.');

const namesIn = (folder: string) => readdir(folder).catch(() => []);

async function removeFrom(folder: string, isRemoved: (name: string) => boolean): Promise<void> {
  for (const name of await namesIn(folder))
    if (isRemoved(name)) await rm(path.join(folder, name), { recursive: true });
}

/** Removes what an earlier sweep has left. */
export const removeRuns = (output: string): Promise<void> =>
  removeFrom(output, (name) => /^(?:run-\d+|best)$/.test(name));

/**
 * Leaves results and reports of runs, and of the best one its model.
 *
 * @param runs numbers of those that ended
 * @param modelFiles names of what a model folder has besides weights
 */
export async function tidyRuns(
  output: string,
  runs: readonly number[],
  best: number | null,
  modelFiles: readonly string[],
): Promise<void> {
  for (const run of runs)
    await removeFrom(
      runFolder(output, run),
      (name) => isCheckpoint(name) || (run !== best && (isWeights(name) || modelFiles.includes(name))),
    );
}

/** The best run's folder as `best`; its model is there alone then. */
export async function takeBest(output: string, best: number, modelFiles: readonly string[]): Promise<void> {
  const own = runFolder(output, best);
  // unless it was done before
  if ((await namesIn(own)).some(isWeights))
    await makeFolder(bestFolder(output), { overwrite: true }, (folder) =>
      cp(own, folder, { recursive: true, mode: constants.COPYFILE_FICLONE }),
    );
  await tidyRuns(output, [best], null, modelFiles);
}
