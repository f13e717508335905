/** The folders `checkpoint-N` of fine-tuning: a model folder, what the optimizer keeps, and how far the run is. */
import { readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { flushFolder } from '../../checkpoint/file-bytes.js';
import { makeFolder } from '../../checkpoint/new-folder.js';
import { exists } from '../../checkpoint/paths.js';
import { readSafetensors } from '../../checkpoint/safetensors.js';
import type { Engine } from '../../engine/engine.js';
import { InputError } from '../../errors.js';
import { sameShape } from '../../graph/value.js';
import type { Ranks } from '../../parallel/ranks.js';
import { partOf } from '../../partition.js';
import { isWriter, writeTensors, type ExportedTensor } from '../export.js';
import type { OwnParameters } from '../parameters.js';
import type { StagedParameter } from '../stages.js';
import { stateJson, stateName, type TrainerState } from './state.js';

/** What of a model is written, and under which names. */
export interface ExportedModel {
  /** `model.safetensors`, or where only adapters are trained PEFT's `adapter_model.safetensors`. */
  readonly file: string;
  /** The parameters that are in it. */
  readonly names: ReadonlySet<string>;
  /** What comes before their names there. */
  readonly prefix: string;
  /** All else that a model folder has: `config.json`, the tokenizer's. */
  readonly files: Readonly<Record<string, string>>;
}

export const optimizerName = 'optimizer.safetensors';

export const checkpointName = (step: number) => `checkpoint-${step}`;
/** NaN of what is no checkpoint. */
export const stepOf = (name: string) => Number(/^checkpoint-(\d+)$/.exec(name)?.[1] ?? NaN);

/** The checkpoints in an output folder, oldest first. */
export async function listCheckpoints(output: string): Promise<string[]> {
  const names = await readdir(output).catch(() => []);
  return names
    .filter((name) => !Number.isNaN(stepOf(name)))
    .sort((a, b) => stepOf(a) - stepOf(b))
    .map((name) => path.join(output, name));
}

/** What of a model's parameters is written: all, or those that were trained. */
const exportedOf = ({ prefix }: ExportedModel, parameters: readonly StagedParameter[]): ExportedTensor[] =>
  parameters.map((parameter) => ({ ...parameter, storedName: prefix + parameter.name }));

export interface Checkpointed {
  readonly engine: Engine;
  readonly parameters: OwnParameters;
  /** Of the whole model: what is written, and what is trained. */
  readonly written: readonly StagedParameter[];
  readonly trained: readonly StagedParameter[];
  readonly moments: readonly string[];
  readonly model: ExportedModel;
  readonly ranks: Ranks;
}

/** Writes the model alone. Every rank calls this. @param folder exists */
export async function writeModel(folder: string, checkpointed: Checkpointed): Promise<void> {
  const { engine, parameters, written, model, ranks } = checkpointed;
  await writeTensors(path.join(folder, model.file), engine, parameters, exportedOf(model, written), ranks);
  if (isWriter(ranks))
    for (const [name, text] of Object.entries(model.files)) await writeFile(path.join(folder, name), text);
}

/** Writes a checkpoint beside its name and renames it. Every rank calls this. @returns its folder */
export async function writeCheckpoint(
  output: string,
  state: TrainerState,
  checkpointed: Checkpointed,
): Promise<string> {
  const { engine, parameters, trained, moments, ranks } = checkpointed;
  const target = path.join(output, checkpointName(state.global_step));
  const fill = async (folder: string) => {
    await writeModel(folder, checkpointed);
    const kept = trained.flatMap((parameter) =>
      moments.map((moment, i): ExportedTensor => ({
        ...parameter,
        storedName: `${moment}.${parameter.name}`,
        bufferOf: ({ updated }) => updated!.moments[i]!,
      })),
    );
    await writeTensors(path.join(folder, optimizerName), engine, parameters, kept, ranks);
    if (isWriter(ranks)) await writeFile(path.join(folder, stateName), stateJson(state));
  };
  if (isWriter(ranks)) {
    await makeFolder(target, { overwrite: true }, fill);
    await flushFolder(output);
  } else await fill(target);
  await ranks.groups.world.barrier();
  return target;
}

/** Removes the oldest checkpoints, but for the best one. */
export async function rotateCheckpoints(
  output: string,
  { keep, best }: { readonly keep: number; readonly best: string | null },
): Promise<void> {
  const all = await listCheckpoints(output);
  const spared = all.filter((folder) => best !== null && path.resolve(folder) === path.resolve(best));
  const others = all.filter((folder) => !spared.includes(folder));
  const kept = Math.max(keep - spared.length, 1);
  for (const folder of others.slice(0, Math.max(0, others.length - kept)))
    await rm(folder, { recursive: true, force: true });
}

/** Each rank takes its parts of what was written. @throws InputError naming what is missing or of another shape */
export async function readModel(
  folder: string,
  { engine, parameters, written, model }: Checkpointed,
): Promise<void> {
  const file = await openTensors(path.join(folder, model.file));
  for (const { name } of written) {
    const own = parameters.get(name);
    if (own)
      await engine.write(
        own.value,
        partOf(await file.read(model.prefix + name, own.declaration.shape), own.layout),
      );
  }
  await file.close();
}

/** @see readModel */
export async function readOptimizer(
  folder: string,
  { engine, parameters, trained, moments }: Checkpointed,
): Promise<void> {
  const file = await openTensors(path.join(folder, optimizerName));
  for (const { name } of trained) {
    const own = parameters.get(name);
    for (const [i, moment] of own ? moments.entries() : []) {
      const whole = await file.read(`${moment}.${name}`, own!.declaration.shape);
      await engine.write(own!.updated!.moments[i]!, partOf(whole, own!.layout));
    }
  }
  await file.close();
}

async function openTensors(name: string) {
  if (!(await exists(name))) throw new InputError(`${name}: expected a file of this checkpoint, found none`);
  const file = await readSafetensors(name);
  return {
    close: file.close,
    async read(tensor: string, shape: readonly number[]): Promise<Float32Array> {
      const stored = file.tensors.get(tensor);
      if (stored?.dtype !== 'F32' || !sameShape(stored.shape, shape))
        throw new InputError(
          `${name}: ${tensor}: expected F32 [${shape.join(', ')}], found ${stored ? `${stored.dtype} [${stored.shape.join(', ')}]` : 'none'}`,
        );
      return (await file.read(tensor)) as Float32Array;
    },
  };
}
