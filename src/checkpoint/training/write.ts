import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { flushFolder, writeFileAtomically, writeFully, type WrittenFile } from '../file-bytes.js';
import { iterationFolder, iterationOf, trackerName } from '../iteration-folders.js';
import { isRunning, makeFolder } from '../new-folder.js';
import { writeSafetensors, type SafetensorsEntry } from '../safetensors.js';
import { elementsOf } from '../torch/tensor.js';
import {
  manifestName,
  modelFile,
  optimizerFile,
  type Division,
  type Manifest,
  type PartPlace,
} from './manifest.js';

/** A parameter as a rank holds it. */
export interface ParameterState {
  readonly name: string;
  readonly shape: readonly number[];
  /** Of one rank of those that have the same. */
  readonly value?: Float32Array;
  /** What the optimizer keeps of it, by PyTorch's names: of the numbers from `start` on. */
  readonly moments: Readonly<Record<string, Float32Array>>;
  readonly start: number;
}

export interface PartState {
  readonly place: PartPlace;
  readonly parameters: readonly ParameterState[];
}

/** A file of a checkpoint, as its manifest has it. */
export type CheckpointFile = { readonly name: string } & WrittenFile;

export interface Rotation {
  /** The newest that are kept; all by default. */
  readonly keepLast?: number;
  /** Iterations of which a multiple is always kept. */
  readonly keepEvery?: number;
}

/**
 * Writes a checkpoint so that, whenever the process or the machine stops, the ones before it are as they were, and the
 * tracker names one that is whole. Older ones are removed as `rotation` says, after that.
 *
 * @param folder of all checkpoints
 * @param parts of the ranks that hold different numbers
 * @param together has other processes write theirs into the folder too, besides what this one writes
 * @throws InputError where it cannot be written: nothing is left of it then
 */
export async function writeTrainingCheckpoint(
  folder: string,
  state: Omit<Manifest, 'format' | 'version' | 'files'>,
  parts: readonly PartState[],
  rotation: Rotation = {},
  together: (own: string, write: () => Promise<CheckpointFile[]>) => Promise<CheckpointFile[]> = (_, write) =>
    write(),
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await removeUnfinished(folder);
  const target = path.join(folder, iterationFolder(state.iteration));
  await makeFolder(target, { overwrite: true }, async (own) => {
    const files = await together(own, () => writeParts(own, state, parts));
    const manifest: Manifest = {
      format: 'megatron-bert training checkpoint',
      version: 1,
      ...state,
      files,
    };
    await writeText(path.join(own, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
  });
  await flushFolder(folder);
  await writeText(path.join(folder, trackerName), String(state.iteration));
  await rotate(folder, state.iteration, rotation);
}

/** @param folder of the checkpoint */
export async function writeParts(
  folder: string,
  division: Division,
  parts: readonly PartState[],
): Promise<CheckpointFile[]> {
  const files: CheckpointFile[] = [];
  const add = async (name: string, entries: readonly SafetensorsEntry[]) => {
    await mkdir(path.join(folder, path.dirname(name)), { recursive: true });
    files.push({ name, ...(await writeSafetensors(path.join(folder, name), entries)) });
  };
  for (const { place, parameters } of parts) {
    if (place.share === 0) await add(modelFile(place, division), parameters.map(valueOf));
    await add(optimizerFile(place, division), parameters.flatMap(momentsOf));
  }
  return files;
}

const valueOf = ({ name, shape, value }: ParameterState): SafetensorsEntry => ({
  name,
  dtype: 'F32',
  shape,
  data: value!,
});

/** Those of some of a parameter's numbers are named by the stretch that they are of: `exp_avg.NAME[100:200]`. */
function momentsOf({ name, shape, moments, start }: ParameterState): SafetensorsEntry[] {
  const entryOf = ([moment, data]: [string, Float32Array]): SafetensorsEntry => {
    const whole = { name: `${moment}.${name}`, dtype: 'F32' as const, shape, data };
    if (data.length === elementsOf(shape)) return whole;
    return { ...whole, name: `${whole.name}[${start}:${start + data.length}]`, shape: [data.length] };
  };
  return Object.entries(moments)
    .filter(([, { length }]) => length > 0)
    .map(entryOf);
}

const writeText = (file: string, text: string) =>
  writeFileAtomically(file, (handle) => writeFully(handle, Buffer.from(text)));

/** What processes that are no more had begun. */
async function removeUnfinished(folder: string): Promise<void> {
  for (const entry of await readdir(folder)) {
    const process = /^\.iter_\d+\.incomplete-(\d+)(?:-replaced)?$/.exec(entry)?.[1];
    if (process !== undefined && !isRunning(Number(process)))
      await rm(path.join(folder, entry), { recursive: true, force: true });
  }
}

async function rotate(folder: string, newest: number, { keepLast, keepEvery }: Rotation): Promise<void> {
  if (keepLast === undefined) return;
  const iterations = (await readdir(folder))
    .flatMap((entry) => iterationOf(entry) ?? [])
    .filter((iteration) => iteration <= newest)
    .sort((a, b) => b - a);
  for (const iteration of iterations.slice(keepLast))
    if (keepEvery === undefined || iteration % keepEvery !== 0)
      await rm(path.join(folder, iterationFolder(iteration)), { recursive: true });
}
