/** The output folder of a run, before it begins. */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { isFolder } from '../checkpoint/paths.js';
import { InputError } from '../errors.js';
import type { PretrainOptions } from './pretrain-options.js';
import { dataFolderOf } from './pretraining-data.js';
import { checkpointsOf } from './resume.js';

/**
 * Makes sure, before anything is computed, that the folder can be written to and holds nothing to lose.
 *
 * @returns whether it was made
 */
export async function openOutput(
  folder: string,
  { overwriteOutputDir = false, resume = false }: PretrainOptions,
): Promise<boolean> {
  let isNew: boolean;
  try {
    isNew = (await mkdir(folder, { recursive: true })) !== undefined;
    const probe = path.join(folder, '.writable');
    await writeFile(probe, '');
    await rm(probe);
  } catch (error) {
    throw new InputError(`cannot write to the output folder ${folder}: ${(error as Error).message}`);
  }
  if (resume) return isNew;
  if (overwriteOutputDir)
    for (const made of [checkpointsOf(folder), dataFolderOf(folder)])
      await rm(made, { recursive: true, force: true });
  // data sets and indices of a run that did not begin are no loss
  else if ((await readdir(folder)).some((name) => name !== path.basename(dataFolderOf(folder)))) {
    const hasCheckpoints = await isFolder(checkpointsOf(folder));
    throw new InputError(
      `the output folder ${folder} is not empty: ${hasCheckpoints ? 'go on with --resume, ' : ''}choose another, or pass --overwrite-output-dir`,
    );
  }
  return isNew;
}

/** Removes a folder in which no run began, but for text that was half preprocessed: another run goes on with it. */
export async function leaveOutput(folder: string): Promise<void> {
  const made = await readdir(dataFolderOf(folder)).catch(() => []);
  if (!made.some((name) => name.endsWith('.incomplete'))) await rm(folder, { recursive: true, force: true });
}
