import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { InputError } from '../../errors.js';
import { layoutOf, placePart, type Partitioned } from '../../partition.js';
import { checksumOf } from '../file-bytes.js';
import { iterationFolder, iterationOf, trackerName } from '../iteration-folders.js';
import { isFolder } from '../paths.js';
import { readSafetensors, type SafetensorsFile } from '../safetensors.js';
import { elementsOf } from '../torch/tensor.js';
import { manifestName, rankFile, readManifest, type Manifest } from './manifest.js';
import type { ParameterState } from './write.js';

/** A checkpoint whose files are as they were written. */
export interface FoundCheckpoint {
  readonly folder: string;
  readonly manifest: Manifest;
}

/**
 * The newest checkpoint that is whole. One that is damaged is passed over for the one before it.
 *
 * @param warn is told why one is passed over
 * @returns undefined where there is none at all
 * @throws InputError where all are damaged
 */
export async function findTrainingCheckpoint(
  folder: string,
  warn: (message: string) => void,
): Promise<FoundCheckpoint | undefined> {
  if (!(await isFolder(folder))) return undefined;
  const iterations = (await readdir(folder))
    .flatMap((entry) => iterationOf(entry) ?? [])
    .sort((a, b) => b - a);
  const tracked = await readFile(path.join(folder, trackerName), 'utf8').catch(() => undefined);
  if (iterations.length === 0) {
    if (tracked !== undefined)
      throw new InputError(
        `${folder}: ${trackerName} names iteration ${tracked}, but there is no checkpoint`,
      );
    return undefined;
  }
  for (const iteration of iterations) {
    const candidate = path.join(folder, iterationFolder(iteration));
    try {
      const manifest = await readManifest(path.join(candidate, manifestName));
      if (manifest.iteration !== iteration)
        throw new InputError(`${manifestName} is of iteration ${manifest.iteration}`);
      await checkFiles(candidate, manifest);
      return { folder: candidate, manifest };
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      warn(
        `the checkpoint of iteration ${iteration} is damaged, and the one before it is used: ${error.message}`,
      );
    }
  }
  throw new InputError(`${folder}: none of its ${iterations.length} checkpoints is whole`);
}

async function checkFiles(folder: string, { files, tensor_model_parallel_size }: Manifest): Promise<void> {
  const expected = Array.from({ length: tensor_model_parallel_size }, (_, rank) => [
    rankFile(rank, 'model'),
    rankFile(rank, 'optimizer'),
  ]).flat();
  const missing = expected.find((name) => !files.some((file) => file.name === name));
  if (missing !== undefined) throw new InputError(`${folder}: ${manifestName} lacks ${missing}`);
  for (const { name, bytes, sha256 } of files) {
    const file = path.join(folder, name);
    const found = await checksumOf(file).catch((error: unknown) => {
      throw new InputError(`${file}: cannot be read: ${(error as Error).message}`);
    });
    if (found.bytes !== bytes || found.sha256 !== sha256)
      throw new InputError(
        `${file}: expected ${bytes} bytes with the SHA-256 ${sha256}, found ${found.bytes} with ${found.sha256}`,
      );
  }
}

/** A parameter and its moments, as a whole. */
export type WholeState = Pick<ParameterState, 'value' | 'moments'>;

export interface TrainingCheckpoint {
  /**
   * @param moments names of those that are wanted
   * @throws InputError where one is missing, or of another shape
   */
  read(name: string, parameter: Partitioned, moments: readonly string[]): Promise<WholeState>;
  close(): Promise<void>;
}

/** Opens the files of all ranks: parameters are put together, one at a time, whatever the number of ranks was. */
export async function openTrainingCheckpoint({
  folder,
  manifest,
}: FoundCheckpoint): Promise<TrainingCheckpoint> {
  const size = manifest.tensor_model_parallel_size;
  const open = (part: 'model' | 'optimizer') =>
    Promise.all(
      Array.from({ length: size }, (_, rank) => readSafetensors(path.join(folder, rankFile(rank, part)))),
    );
  const [models, optimizers] = await Promise.all([open('model'), open('optimizer')]);
  return {
    async read(name, parameter, moments) {
      const read: Record<string, Float32Array> = {};
      for (const moment of moments)
        read[moment] = await readWhole(optimizers, `${moment}.${name}`, parameter);
      return { value: await readWhole(models, name, parameter), moments: read };
    },
    close: async () => {
      for (const file of [...models, ...optimizers]) await file.close();
    },
  };
}

async function readWhole(
  files: readonly SafetensorsFile[],
  name: string,
  parameter: Partitioned,
): Promise<Float32Array> {
  const { shape, partition } = parameter;
  const parts = partition === undefined ? files.slice(0, 1) : files;
  const partShape = shape.map((size, i) => (i === partition ? size / parts.length : size));
  for (const { path: file, tensors } of parts) {
    const found = tensors.get(name)?.shape;
    if (found?.join() !== partShape.join())
      throw new InputError(
        `${file}: ${name}: expected [${partShape.join(', ')}], found ${found ? `[${found.join(', ')}]` : 'none'}`,
      );
  }
  if (parts.length === 1) return (await parts[0]!.read(name)) as Float32Array;
  const whole = new Float32Array(elementsOf(shape));
  for (const [rank, file] of parts.entries())
    placePart((await file.read(name)) as Float32Array, layoutOf(parameter, parts.length, rank), whole);
  return whole;
}
