/** What weights in files are, wherever the files lie. */
import type { FloatWeight } from '../engine/engine.js';
import { InputError } from '../errors.js';
import type { StoredWeight, StoredWeights } from './model-source.js';

const weightTypes = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' } as const;

/** @param dtype as in safetensors @returns undefined for what no parameter can be */
export const weightType = (dtype: string): FloatWeight['type'] | undefined =>
  dtype in weightTypes ? weightTypes[dtype as keyof typeof weightTypes] : undefined;

/** Bytes of an index, which has a line for each tensor. */
export const largestIndex = 2 ** 24;

/** In which file each tensor is. @param fields of the index @throws InputError naming what is wrong in it */
export function weightMapOf(
  indexFile: string,
  { weight_map: map }: Readonly<Record<string, unknown>>,
): Map<string, string> {
  if (typeof map !== 'object' || map === null)
    throw new InputError(`${indexFile}: expected a weight_map from tensors to files`);
  const entries = Object.entries(map);
  for (const [name, file] of entries)
    if (typeof file !== 'string' || !/^[^/\\]+$/.test(file) || ['.', '..'].includes(file))
      throw new InputError(
        `${indexFile}: ${name}: expected the name of a file, found ${JSON.stringify(file)}`,
      );
  return new Map(entries as [string, string][]);
}

/**
 * The weights in the files of an index.
 *
 * @param find all files at once, as they may be downloaded; undefined where there is no such file
 * @param read one file after the other
 * @throws InputError naming the file or the tensor that is missing
 */
export async function gatherShards<Found>(
  indexFile: string,
  weightMap: ReadonlyMap<string, string>,
  find: (file: string) => Promise<Found | undefined>,
  read: (found: Found) => Promise<StoredWeights>,
): Promise<StoredWeights> {
  const weights = new Map<string, StoredWeight>();
  const shards = [...new Set(weightMap.values())];
  const files = await Promise.all(shards.map(find));
  for (const [i, shard] of shards.entries()) {
    const file = files[i];
    if (file === undefined) throw new InputError(`${indexFile} names ${shard}, which is missing`);
    for (const [name, weight] of await read(file))
      if (weightMap.get(name) === shard) weights.set(name, weight);
  }
  const missing = [...weightMap].find(([name]) => !weights.has(name));
  if (missing) throw new InputError(`${indexFile}: ${missing[0]} is not in ${missing[1]}`);
  return weights;
}
