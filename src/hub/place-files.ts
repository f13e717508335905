import { randomUUID } from 'node:crypto';
import { copyFile, link, mkdir, readdir, realpath, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { InputError } from '../errors.js';

/**
 * Puts a model's files into another folder too: as further names of the same bytes, or copies where that cannot be.
 * Files of these names are replaced.
 *
 * @throws InputError where the folder has weights of another model, or cannot be written
 */
export async function placeFiles(folder: string, files: readonly string[], output: string): Promise<void> {
  const present = await readFolder(output);
  const other = present.find((name) => isWeights(name) && !files.includes(name));
  if (other !== undefined)
    throw new InputError(`${output} has ${other}, which is not of this model: give another folder`);
  for (const name of files) {
    const source = await realpath(path.join(folder, name));
    const temporary = path.join(output, `.tmp-${randomUUID()}`);
    await link(source, temporary).catch(() => copyFile(source, temporary));
    await rename(temporary, path.join(output, name));
    // where both were the same file already, a rename leaves both
    await rm(temporary, { force: true });
  }
}

async function readFolder(output: string): Promise<string[]> {
  try {
    await mkdir(output, { recursive: true });
    return await readdir(output);
  } catch (error) {
    throw new InputError(`${output}: cannot be written: ${(error as Error).message}`, { cause: error });
  }
}

const isWeights = (name: string) =>
  /^(pytorch_)?model(-\d+-of-\d+)?\.(safetensors|bin)(\.index\.json)?$/.test(name);
