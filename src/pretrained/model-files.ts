/** The weights of a model folder: one safetensors file, or several and their index. */
import { readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { checksumOf, type WrittenFile } from '../checkpoint/file-bytes.js';
import { writeSafetensors, type SafetensorsEntry } from '../checkpoint/safetensors.js';

/** A parameter to write, with its size in bytes. */
export interface SizedEntry extends SafetensorsEntry {
  readonly byteLength: number;
}

export interface ModelFile extends WrittenFile {
  readonly name: string;
}

/** Bytes of a file, as in transformers. */
export const largestShard = 5e9;

/** Writes the parameters in the order in which they are given, in files of at most a size. */
export async function writeModelFiles(
  folder: string,
  entries: readonly SizedEntry[],
  limit = largestShard,
): Promise<ModelFile[]> {
  const shards = divide(entries, limit);
  const names = shards.map((_, i) =>
    shards.length === 1
      ? 'model.safetensors'
      : `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`,
  );
  const files: ModelFile[] = [];
  for (const [i, shard] of shards.entries()) {
    const name = names[i]!;
    files.push({ name, ...(await writeSafetensors(path.join(folder, name), shard)) });
  }
  if (shards.length > 1) {
    await writeIndex(folder, names, shards);
    files.push(...(await describeFiles(folder, [indexName])));
  }
  await removeOthers(folder, names);
  return files;
}

const indexName = 'model.safetensors.index.json';
const number = (value: number) => String(value).padStart(5, '0');

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
  await writeFile(path.join(folder, indexName), `${JSON.stringify(index, null, 2)}\n`);
}

/** Weights of a model that was there before would be found instead. */
async function removeOthers(folder: string, names: readonly string[]): Promise<void> {
  const isStale = (file: string) =>
    (/^model(-\d{5}-of-\d{5})?\.safetensors$/.test(file) && !names.includes(file)) ||
    (file === indexName && names.length === 1);
  for (const file of await readdir(folder)) if (isStale(file)) await rm(path.join(folder, file));
}

/** Files that are there, with their checksums. */
export async function describeFiles(folder: string, names: readonly string[]): Promise<ModelFile[]> {
  const files: ModelFile[] = [];
  for (const name of names) files.push({ name, ...(await checksumOf(path.join(folder, name))) });
  return files;
}
