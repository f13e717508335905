import { mkdir, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { writeSafetensors, type SafetensorsEntry } from '../checkpoint/safetensors.js';
import type { FloatWeight } from '../engine/engine.js';
import { InputError } from '../errors.js';
import type { MegatronBertConfig } from '../model/config.js';
import { modelParameters, type LoadedModel } from './model.js';
import { readStored } from './weight-values.js';

export interface SaveOptions {
  /** Bytes; larger models become several files. 5 GB by default. */
  readonly max_shard_size?: number;
}

interface SizedEntry extends SafetensorsEntry {
  readonly byteLength: number;
}

/**
 * Writes a model folder that transformers loads: `config.json` and the weights, tied ones once, in the type in which
 * they were stored.
 *
 * @throws InputError where the folder is the one that the weights are read from
 */
export async function savePretrained(
  model: LoadedModel,
  folder: string,
  { max_shard_size = 5e9 }: SaveOptions = {},
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await requireOtherFolder(model, folder);
  const entries = [...modelParameters(model)].map(([name, { shape }]) =>
    toEntry(name, shape, model.weights.get(name)!),
  );
  const shards = divide(entries, max_shard_size);
  const names = shards.map((_, i) =>
    shards.length === 1
      ? 'model.safetensors'
      : `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`,
  );
  for (const [i, shard] of shards.entries()) await writeSafetensors(path.join(folder, names[i]!), shard);
  if (shards.length > 1) await writeIndex(folder, names, shards);
  await removeOthers(folder, names);
  await writeFile(path.join(folder, 'config.json'), configJson(model.config, model.architecture));
}

const number = (value: number) => String(value).padStart(5, '0');

async function requireOtherFolder({ weights }: LoadedModel, folder: string): Promise<void> {
  const target = await realpath(folder);
  for (const weight of weights.values())
    if ('folder' in weight && weight.folder === target)
      throw new InputError(
        `${folder}: the model's weights are read from this folder; save it in another one`,
      );
}

const dtypes = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' } as const;

function toEntry(name: string, shape: readonly number[], weight: FloatWeight): SizedEntry {
  const { type } = weight;
  const items = shape.reduce((product, size) => product * size, 1);
  return {
    name,
    dtype: dtypes[type],
    shape,
    byteLength: items * (type === 'float32' ? 4 : 2),
    data: async () => {
      const { buffer, byteOffset } = await readStored(weight);
      const values = type === 'float32' ? Float32Array : Uint16Array;
      return new values(buffer as ArrayBuffer, byteOffset, items);
    },
  };
}

/** In order, none larger than the limit unless one tensor is. */
function divide(entries: readonly SizedEntry[], limit: number): SizedEntry[][] {
  const shards: SizedEntry[][] = [[]];
  let size = 0;
  for (const entry of entries) {
    if (size > 0 && size + entry.byteLength > limit) {
      shards.push([]);
      size = 0;
    }
    shards.at(-1)!.push(entry);
    size += entry.byteLength;
  }
  return shards;
}

async function writeIndex(
  folder: string,
  names: readonly string[],
  shards: readonly (readonly SizedEntry[])[],
): Promise<void> {
  const total_size = shards.flat().reduce((sum, { byteLength }) => sum + byteLength, 0);
  const weight_map = Object.fromEntries(
    shards.flatMap((shard, i) => shard.map(({ name }) => [name, names[i]!])),
  );
  const index = { metadata: { total_size }, weight_map };
  await writeFile(path.join(folder, 'model.safetensors.index.json'), `${JSON.stringify(index, null, 2)}\n`);
}

/** Weights of a model that was there before would be found instead. */
async function removeOthers(folder: string, names: readonly string[]): Promise<void> {
  const isStale = (file: string) =>
    (/^model(-\d{5}-of-\d{5})?\.safetensors$/.test(file) && !names.includes(file)) ||
    (file === 'model.safetensors.index.json' && names.length === 1);
  for (const file of await readdir(folder)) if (isStale(file)) await rm(path.join(folder, file));
}

/** As transformers writes it: keys sorted, labels only where they have names. */
export function configJson(config: MegatronBertConfig, architecture: string): string {
  const isNamed = JSON.stringify(Object.values(config.id2label)) !== '["LABEL_0","LABEL_1"]';
  const omitted = ['num_labels', ...(isNamed ? [] : ['id2label', 'label2id'])];
  const fields = Object.entries({ ...config, architectures: [architecture] });
  const written = fields.filter(([name]) => !omitted.includes(name));
  const sorted = Object.fromEntries(written.sort(([a], [b]) => (a < b ? -1 : 1)));
  return `${JSON.stringify(sorted, null, 2)}\n`;
}
