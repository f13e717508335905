/** The weights of a model folder: where each lies. */
import { readFile, realpath } from 'node:fs/promises';
import path from 'node:path';
import { readSafetensors } from '../checkpoint/safetensors.js';
import { readTorchTensors } from '../checkpoint/torch-file.js';
import type { FloatWeight } from '../engine/engine.js';
import { InputError } from '../errors.js';
import type { FindFile } from '../hub/repository.js';

export interface StoredWeight {
  readonly shape: readonly number[];
  /** As in safetensors. */
  readonly dtype: string;
  /** Undefined for what no parameter can be: integers and booleans. */
  readonly weight: FloatWeight | undefined;
  readonly path: string;
}

export type StoredWeights = ReadonlyMap<string, StoredWeight>;

/**
 * Opens a model's weights, in the order in which transformers looks for them; only headers are read.
 *
 * @param source named in errors
 * @throws InputError where there are none, or a file is not as its format wants it
 */
export async function findWeights(find: FindFile, source: string): Promise<StoredWeights> {
  for (const { name, read } of weightFiles) {
    const whole = await find(name);
    if (whole !== undefined) return fileWeights(whole, read);
    const index = await find(`${name}.index.json`);
    if (index !== undefined) return shardedWeights(index, find, read);
  }
  const names = weightFiles.map(({ name }) => `${name} or ${name}.index.json`).join(', ');
  throw new InputError(`${source}: no weights: expected one of ${names}`);
}

const weightTypes = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' } as const;

type TensorPlaces = ReadonlyMap<
  string,
  {
    readonly dtype: string;
    readonly shape: readonly number[];
    readonly offset: number;
    readonly byteLength: number;
  }
>;
type ReadPlaces = (file: string) => Promise<TensorPlaces>;

const weightFiles: readonly { readonly name: string; readonly read: ReadPlaces }[] = [
  {
    name: 'model.safetensors',
    async read(file) {
      const { tensors, close } = await readSafetensors(file);
      await close();
      return tensors;
    },
  },
  { name: 'pytorch_model.bin', read: readTorchTensors },
];

async function fileWeights(file: string, read: ReadPlaces): Promise<Map<string, StoredWeight>> {
  const tensors = await read(file);
  // in the hub's cache a name is a link to the file
  const real = await realpath(file);
  const [folder, base] = [path.dirname(real), path.basename(real)];
  const entries = [...tensors].map(([name, { dtype, shape, offset, byteLength }]) => {
    const weight: FloatWeight | undefined =
      dtype in weightTypes
        ? { type: weightTypes[dtype as keyof typeof weightTypes], folder, file: base, offset, byteLength }
        : undefined;
    return [name, { shape, dtype, weight, path: file }] as const;
  });
  return new Map(entries);
}

async function shardedWeights(indexFile: string, find: FindFile, read: ReadPlaces): Promise<StoredWeights> {
  const weightMap = await readWeightMap(indexFile);
  const weights = new Map<string, StoredWeight>();
  for (const shard of new Set(weightMap.values())) {
    const file = await find(shard);
    if (file === undefined) throw new InputError(`${indexFile} names ${shard}, which is missing`);
    for (const [name, weight] of await fileWeights(file, read))
      if (weightMap.get(name) === shard) weights.set(name, weight);
  }
  const missing = [...weightMap].find(([name]) => !weights.has(name));
  if (missing) throw new InputError(`${indexFile}: ${missing[0]} is not in ${missing[1]}`);
  return weights;
}

async function readWeightMap(indexFile: string): Promise<Map<string, string>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readFile(indexFile, 'utf8'));
  } catch (error) {
    throw new InputError(`${indexFile} is not JSON: ${(error as Error).message}`);
  }
  const map = (parsed as { weight_map?: unknown } | null)?.weight_map;
  if (typeof map !== 'object' || map === null)
    throw new InputError(`${indexFile}: expected a weight_map from tensors to files`);
  const entries = Object.entries(map as Record<string, unknown>);
  for (const [name, file] of entries)
    if (typeof file !== 'string' || path.basename(file) !== file)
      throw new InputError(
        `${indexFile}: ${name}: expected the name of a file, found ${JSON.stringify(file)}`,
      );
  return new Map(entries as [string, string][]);
}
