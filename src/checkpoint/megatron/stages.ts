/** The parameters of ranks and stages, gathered into those of the whole model. */
import { InputError } from '../../errors.js';
import { isTensor, itemSize, readTensor, type TorchTensor } from '../torch/tensor.js';
import { isFloat, type WholeTensor } from './model.js';
import { isIgnored, isKnown, layerOf, partitionOf, renamed, tiedCopy, type MegatronName } from './names.js';
import { merge, wholeShape } from './partition.js';
import type { CheckpointVersion } from './query-key-value.js';

/** One partition's file, unpickled. */
export interface Held {
  readonly file: string;
  readonly checkpoint: ReadonlyMap<unknown, unknown>;
}

/** Tensors of a rank by our names, its layers numbered from 0. */
export type Flat = ReadonlyMap<string, TorchTensor>;

/** The model of one rank, in parts where its stages are interleaved. */
export function chunksOf({ checkpoint, file }: Held): Flat[] {
  const names = checkpoint.has('model')
    ? ['model']
    : [...checkpoint.keys()]
        .filter((key): key is string => typeof key === 'string' && /^model\d{1,3}$/.test(key))
        .sort((a, b) => Number(a.slice('model'.length)) - Number(b.slice('model'.length)));
  return names.map((name) => {
    const flat = new Map<string, TorchTensor>();
    const fail = (): never => {
      throw new InputError(`${file}: one dictionary in several places of ${name}`);
    };
    flatten(checkpoint.get(name), '', onceEach(fail), (key, tensor) => {
      const ours = renamed(key);
      if (flat.has(ours)) throw new InputError(`${file}: two tensors for ${ours}`);
      flat.set(ours, tensor);
    });
    return flat;
  });
}

/** Dictionaries in each other could be endlessly many where one was in several. */
function onceEach(fail: () => never): (dictionary: object) => void {
  const seen = new Set<object>();
  return (dictionary) => {
    if (seen.has(dictionary)) fail();
    seen.add(dictionary);
  };
}

/** Dictionaries in dictionaries, as deep as Megatron-LM nests them. */
function flatten(
  value: unknown,
  prefix: string,
  enter: (dictionary: object) => void,
  visit: (name: string, tensor: TorchTensor) => void,
  depth = 0,
): void {
  if (isTensor(value)) visit(prefix, value);
  else if (value instanceof Map && depth < 8) {
    enter(value);
    for (const [key, item] of value)
      if (typeof key === 'string')
        flatten(item, prefix === '' ? key : `${prefix}.${key}`, enter, visit, depth + 1);
  }
}

/**
 * Each parameter's parts in the order of the tensor ranks, its layers numbered over all stages: first come the first
 * chunks of all stages, then their second ones.
 */
export function gatherParts(
  stages: readonly (readonly (readonly Flat[])[])[],
  file: string,
): { readonly parts: Map<MegatronName, TorchTensor[]>; readonly layers: number } {
  const parts = new Map<MegatronName, TorchTensor[]>();
  let layers = 0;
  const chunks = Math.max(...stages.flat().map((rank) => rank.length));
  for (let chunk = 0; chunk < chunks; chunk++)
    for (const ranks of stages) {
      let count = 0;
      for (const rank of ranks)
        for (const [local, tensor] of rank[chunk] ?? []) {
          if (isIgnored(local) || (local === tiedCopy && stages.length > 1)) continue;
          const layer = layerOf(local);
          const name = layer === undefined ? local : local.replace(/\d+/, String(layers + Number(layer)));
          if (!isKnown(name))
            throw new InputError(`${file}: ${local}: neither BERT nor GPT-2 has this parameter`);
          count = Math.max(count, Number(layer ?? -1) + 1);
          const same = parts.get(name);
          if (same) same.push(tensor);
          else parts.set(name, [tensor]);
        }
      layers += count;
    }
  if (layers > parts.size)
    throw new InputError(`${file}: ${layers} layers and only ${parts.size} parameters`);
  const size = stages[0]!.length;
  for (const [name, { length }] of parts)
    if (length !== size) throw new InputError(`${file}: ${name}: expected ${size} parts, found ${length}`);
  return { parts, layers };
}

export function wholeTensor(
  name: MegatronName,
  parts: readonly TorchTensor[],
  heads: number,
  version: CheckpointVersion,
): WholeTensor {
  const { dtype, storage, offset } = parts[0]!;
  const { source, offset: start } = storage.place!;
  const { name: file } = source;
  if (!isFloat(dtype)) throw new InputError(`${file}: ${name}: expected F32, F16 or BF16, found ${dtype}`);
  for (const part of parts)
    if (part.dtype !== dtype || part.shape.join() !== parts[0]!.shape.join())
      throw new InputError(`${file}: ${name}: partitions of different shapes or types`);
  if (parts[0]!.shape.length === 0) throw new InputError(`${file}: ${name}: a single number`);
  const partition = partitionOf(name);
  if (partition === 1 && parts[0]!.shape.length < 2)
    throw new InputError(
      `${file}: ${name}: expected rows and columns, found [${parts[0]!.shape.join(', ')}]`,
    );
  const shape = wholeShape(name, parts[0]!.shape, parts.length);
  const options = { name, shape, itemSize: itemSize(dtype), heads, version };
  return {
    dtype,
    shape,
    position: start + offset * itemSize(dtype),
    read: () => merge(parts.length, options, (rank) => readTensor(parts[rank]!)),
  };
}
