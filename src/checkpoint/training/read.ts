import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { InputError } from '../../errors.js';
import { layoutOf, placePart, type Partitioned } from '../../partition.js';
import { checksumOf } from '../file-bytes.js';
import { iterationFolder, iterationOf, trackerName } from '../iteration-folders.js';
import { isFolder } from '../paths.js';
import { readSafetensors, type SafetensorsFile } from '../safetensors.js';
import { elementsOf } from '../torch/tensor.js';
import {
  manifestName,
  modelFile,
  optimizerFile,
  partPlaces,
  readManifest,
  type Manifest,
} from './manifest.js';

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

async function checkFiles(folder: string, manifest: Manifest): Promise<void> {
  const { files } = manifest;
  const expected = partPlaces(manifest).flatMap((place) => [
    modelFile(place, manifest),
    optimizerFile(place, manifest),
  ]);
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
export interface WholeState {
  readonly value: Float32Array;
  readonly moments: Readonly<Record<string, Float32Array>>;
}

export interface TrainingCheckpoint {
  /**
   * @param moments names of those that are wanted
   * @throws InputError where one is missing, or of another shape
   */
  read(name: string, parameter: Partitioned, moments: readonly string[]): Promise<WholeState>;
  close(): Promise<void>;
}

/** Opens the files of all ranks: parameters are put together, one at a time, however they were divided. */
export async function openTrainingCheckpoint({
  folder,
  manifest,
}: FoundCheckpoint): Promise<TrainingCheckpoint> {
  const size = manifest.tensor_model_parallel_size;
  const opened: SafetensorsFile[] = [];
  const open = async (name: string) => {
    const file = await readSafetensors(path.join(folder, name));
    opened.push(file);
    return file;
  };
  /** Of each tensor rank, what all stages and shares have. */
  const models = Array.from({ length: size }, (): Stored => new Map());
  const optimizers = Array.from({ length: size }, (): Stored => new Map());
  for (const place of partPlaces(manifest)) {
    if (place.share === 0) addTo(models[place.tensor]!, await open(modelFile(place, manifest)));
    addTo(optimizers[place.tensor]!, await open(optimizerFile(place, manifest)));
  }
  return {
    async read(name, parameter, moments) {
      const wholeOf = (stored: readonly Stored[], key: string) => readWhole(stored, key, parameter, folder);
      const read: Record<string, Float32Array> = {};
      for (const moment of moments) read[moment] = await wholeOf(optimizers, `${moment}.${name}`);
      return { value: await wholeOf(models, name), moments: read };
    },
    close: async () => {
      for (const file of opened) await file.close();
    },
  };
}

interface Stretch {
  readonly file: SafetensorsFile;
  readonly key: string;
  /** Where it is not the whole tensor. */
  readonly range?: { readonly start: number; readonly end: number };
}

/** Tensors by their names, each maybe in several stretches. */
type Stored = Map<string, Stretch[]>;

function addTo(stored: Stored, file: SafetensorsFile): void {
  for (const key of file.tensors.keys()) {
    const [, name, start, end] = /^(.*)\[(\d+):(\d+)\]$/.exec(key) ?? [];
    const before = stored.get(name ?? key) ?? [];
    if (name !== undefined)
      stored.set(name, [...before, { file, key, range: { start: Number(start), end: Number(end) } }]);
    // the first and the last stage may have the same
    else if (before.length === 0) stored.set(key, [{ file, key }]);
  }
}

async function readWhole(
  stored: readonly Stored[],
  name: string,
  parameter: Partitioned,
  folder: string,
): Promise<Float32Array> {
  const { shape, partition } = parameter;
  const parts = partition === undefined ? stored.slice(0, 1) : stored;
  const partShape = shape.map((size, i) => (i === partition ? size / parts.length : size));
  if (parts.length === 1) return readPart(parts[0]!, name, partShape, folder);
  const whole = new Float32Array(elementsOf(shape));
  for (const [rank, part] of parts.entries())
    placePart(await readPart(part, name, partShape, folder), layoutOf(parameter, parts.length, rank), whole);
  return whole;
}

async function readPart(
  stored: Stored,
  name: string,
  shape: readonly number[],
  folder: string,
): Promise<Float32Array> {
  const refuse = (file: string, found: string): never => {
    throw new InputError(`${file}: ${name}: expected [${shape.join(', ')}], found ${found}`);
  };
  const stretches = stored.get(name) ?? refuse(folder, 'none');
  const [{ file, key, range }] = stretches as [Stretch];
  if (!range) {
    const found = file.tensors.get(key)!.shape;
    if (found.join() !== shape.join()) refuse(file.path, `[${found.join(', ')}]`);
    return (await file.read(key)) as Float32Array;
  }
  const part = new Float32Array(elementsOf(shape));
  let filled = 0;
  for (const { file, key, range } of stretches.toSorted((a, b) => a.range!.start - b.range!.start)) {
    const { start, end } = range!;
    const [length] = file.tensors.get(key)!.shape;
    if (start !== filled || end > part.length || length !== end - start)
      refuse(file.path, `the numbers from ${start} to ${end}, ${length} of them, after ${filled}`);
    part.set((await file.read(key)) as Float32Array, start);
    filled = end;
  }
  if (filled !== part.length) refuse(folder, `${filled} numbers`);
  return part;
}
