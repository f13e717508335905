/** The weights of a model folder: where each lies. */
import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { readJsonObject } from '../checkpoint/json-file.js';
import { readSafetensors } from '../checkpoint/safetensors.js';
import { openTorch, tensorsOf } from '../checkpoint/torch/read.js';
import { itemSize, readTensor, rowMajorPlace, tensorByteLength } from '../checkpoint/torch/tensor.js';
import type { FloatWeight } from '../engine/engine.js';
import { InputError } from '../errors.js';
import type { FindFile } from '../hub/repository.js';
import { adapterFile, readAdapter } from './adapter.js';
import { mergeAdapter } from './merged-weights.js';
import type { StoredWeight, StoredWeights } from './model-source.js';
import { gatherShards, largestIndex, weightMapOf, weightType } from './weight-files.js';
import { widened } from './widened.js';

/**
 * Opens a model's weights, in the order in which transformers looks for them; only headers are read. An adapter is
 * added to those of the model that it adapts.
 *
 * @param source named in errors
 * @throws InputError where there are none, or a file is not as its format wants it
 */
export async function findWeights(find: FindFile, source: string): Promise<StoredWeights> {
  const weights = await findWholeWeights(find, source);
  const adapter = await readAdapter(find);
  if (!adapter) return weights;
  const file = await find(adapterFile);
  if (file === undefined) throw new InputError(`${source}: expected ${adapterFile}, found none`);
  return mergeAdapter(weights, await fileWeights(file, readSafetensorsFile), adapter.lora);
}

async function findWholeWeights(find: FindFile, source: string): Promise<StoredWeights> {
  for (const { name, read } of weightFiles) {
    const whole = await find(name);
    if (whole !== undefined) return fileWeights(whole, read);
    const index = await find(`${name}.index.json`);
    if (index !== undefined) return shardedWeights(index, find, read);
  }
  const names = weightFiles.map(({ name }) => `${name} or ${name}.index.json`).join(', ');
  throw new InputError(`${source}: no weights: expected one of ${names}`);
}

interface FoundTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Where its numbers lie in rows; else they are read. */
  readonly place: { readonly offset: number; readonly byteLength: number } | undefined;
  readonly read?: () => Promise<Uint8Array>;
}
type ReadTensors = (
  file: string,
  use: (tensors: ReadonlyMap<string, FoundTensor>) => Promise<Map<string, StoredWeight>>,
) => Promise<Map<string, StoredWeight>>;

/** Of what is held in memory to the file: tied weights are twice. */
const largestRatio = 2;

const readSafetensorsFile: ReadTensors = async (file, use) => {
  const { tensors, close } = await readSafetensors(file);
  await close();
  return use(
    new Map([...tensors].map(([name, { dtype, shape, ...place }]) => [name, { dtype, shape, place }])),
  );
};

const weightFiles: readonly { readonly name: string; readonly read: ReadTensors }[] = [
  { name: 'model.safetensors', read: readSafetensorsFile },
  {
    name: 'pytorch_model.bin',
    async read(file, use) {
      const { value, close } = await openTorch(file);
      try {
        let heldLength = 0;
        const tensors = [...tensorsOf(value, file)].map(([name, tensor]): [string, FoundTensor] => {
          const { dtype, shape } = tensor;
          const place = rowMajorPlace(tensor);
          // the engine maps what starts at a multiple of its size
          const isMapped = place !== undefined && place.offset % itemSize(dtype) === 0;
          if (!isMapped) heldLength += tensorByteLength(tensor);
          return [
            name,
            { dtype, shape, place: isMapped ? place : undefined, read: () => readTensor(tensor) },
          ];
        });
        const { size } = await stat(file);
        if (heldLength > largestRatio * size)
          throw new InputError(`${file}: its tensors share storages: ${size} bytes hold ${heldLength}`);
        return await use(new Map(tensors));
      } finally {
        await close();
      }
    },
  },
];

function fileWeights(file: string, read: ReadTensors): Promise<Map<string, StoredWeight>> {
  return read(file, async (tensors) => {
    // in the hub's cache a name is a link to the file
    const real = await realpath(file);
    const [folder, base] = [path.dirname(real), path.basename(real)];
    const weights = new Map<string, StoredWeight>();
    for (const [name, { dtype, shape, place, read }] of tensors) {
      const type = weightType(dtype);
      const weight: FloatWeight | undefined =
        type &&
        (place
          ? { type, folder, file: base, offset: place.offset, byteLength: place.byteLength }
          : { type: 'float32', data: widened(await read!(), type) });
      weights.set(name, { shape, dtype, weight, path: file });
    }
    return weights;
  });
}

async function shardedWeights(indexFile: string, find: FindFile, read: ReadTensors): Promise<StoredWeights> {
  return gatherShards(indexFile, await readWeightMap(indexFile), find, (file) => fileWeights(file, read));
}

export async function readWeightMap(indexFile: string): Promise<Map<string, string>> {
  return weightMapOf(indexFile, await readJsonObject(indexFile, largestIndex));
}
