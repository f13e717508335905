/** Reads Megatron-LM's checkpoints, of any release and number of partitions, as whole models. */
import { InputError } from '../../errors.js';
import { namespaceFields } from '../torch/known-values.js';
import { readTorch } from '../torch/read.js';
import { isTensor, itemSize, readTensor, rowMajorPlace, type TorchTensor } from '../torch/tensor.js';
import { numberOf, plainArguments, requireSupported } from './arguments.js';
import {
  isFloat,
  isSpecificToBert,
  sizesOf,
  type MegatronArguments,
  type WholeModel,
  type WholeTensor,
} from './model.js';
import { isIgnored, isKnown, isTiedCopy, partitionOf, renamed, type MegatronName } from './names.js';
import { merge, wholeShape } from './partition.js';
import { checkpointVersionOf, type CheckpointVersion } from './query-key-value.js';
import { openMegatronSource, type MegatronSource } from './source.js';

export interface ReadMegatronOptions {
  /** Of checkpoints that do not say it. */
  readonly numAttentionHeads?: number | undefined;
}

/** A checkpoint, of which the numbers are still in its files. */
export interface MegatronCheckpoint extends WholeModel {
  readonly version: CheckpointVersion;
  readonly tensorSize: number;
  readonly pipelineSize: number;
  /** Bytes of all its files. */
  readonly byteLength: number;
  /** What had to be guessed. */
  readonly notes: readonly string[];
  readonly close: () => Promise<void>;
}

/** @throws InputError where the checkpoint is incomplete, or of another model than BERT or GPT-2 */
export async function readMegatron(
  name: string,
  options: ReadMegatronOptions = {},
): Promise<MegatronCheckpoint> {
  const source = await openMegatronSource(name);
  try {
    return { ...(await readSource(source, options)), close: source.close };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** One partition's file, unpickled. */
interface Held {
  readonly file: string;
  readonly checkpoint: ReadonlyMap<unknown, unknown>;
}

async function readSource(
  source: MegatronSource,
  { numAttentionHeads }: ReadMegatronOptions,
): Promise<Omit<MegatronCheckpoint, 'close'>> {
  const { tensorSize, pipelineSize, partitions } = source;
  const held = new Map<string, Held>();
  for (const { tensorRank, pipelineRank, file } of partitions) {
    const { value } = await readTorch(file);
    if (!(value instanceof Map) || !isCheckpoint(value))
      throw new InputError(
        `${file.name}: no checkpoint of Megatron-LM: expected a dictionary with a "model"`,
      );
    held.set(`${tensorRank} ${pipelineRank}`, { file: file.name, checkpoint: value });
  }
  const at = (tensorRank: number, pipelineRank: number) => held.get(`${tensorRank} ${pipelineRank}`)!;
  const first = at(0, 0);
  const args = argumentsOf(first.checkpoint);
  requireSupported(args, first.file);
  requireAllPartitions(args, source, first.file);

  const stages = Array.from({ length: pipelineSize }, (_, pipelineRank) =>
    Array.from({ length: tensorSize }, (_, tensorRank) => chunksOf(at(tensorRank, pipelineRank))),
  );
  const { parts, layers } = gatherParts(stages, first.file);
  const notes: string[] = [];
  const hiddenSize = parts.get('embedding.position_embeddings.weight')?.[0]?.shape[1] ?? 0;
  const heads =
    numberOf(args, 'num_attention_heads') ?? numAttentionHeads ?? guessedHeads(hiddenSize, first.file, notes);
  const version = checkpointVersionOf(first.checkpoint.get('checkpoint_version'), first.file);
  if (!Number.isSafeInteger(heads) || heads < 1)
    throw new InputError(`${first.file}: num_attention_heads: expected a positive number, found ${heads}`);
  if (heads % tensorSize !== 0)
    throw new InputError(`${first.file}: ${heads} attention heads in ${tensorSize} partitions`);

  const tensors = new Map<MegatronName, WholeTensor>();
  for (const [name, tensorParts] of parts) tensors.set(name, wholeTensor(name, tensorParts, heads, version));
  return {
    kind: [...tensors.keys()].some(isSpecificToBert) ? 'bert' : 'gpt2',
    sizes: sizesOf(tensors, layers, heads, first.file),
    arguments: args,
    iteration: iterationOf(first.checkpoint, source),
    tensors,
    version,
    tensorSize,
    pipelineSize,
    byteLength: partitions.reduce((sum, { file }) => sum + file.size, 0),
    notes,
  };
}

export const isCheckpoint = (value: ReadonlyMap<unknown, unknown>) =>
  value.get('model') instanceof Map || value.get('model0') instanceof Map;

/** As Megatron-LM keeps them, or as plain data (which `torch.load` takes without trust). */
export function argumentsOf(checkpoint: ReadonlyMap<unknown, unknown>): MegatronArguments {
  const plain = checkpoint.get('arguments');
  return plainArguments(
    namespaceFields(checkpoint.get('args')) ??
      (plain instanceof Map ? (plain as Map<unknown, unknown>) : new Map()),
  );
}

function iterationOf(
  checkpoint: ReadonlyMap<unknown, unknown>,
  { iteration }: MegatronSource,
): number | 'release' {
  const told = checkpoint.get('iteration') ?? checkpoint.get('total_iters');
  return iteration === 'release' && typeof told === 'number' && told > 0 ? told : iteration;
}

/** A single file of several is not the whole. */
function requireAllPartitions(
  args: MegatronArguments,
  { tensorSize, pipelineSize }: MegatronSource,
  file: string,
): void {
  const told = [
    numberOf(args, 'tensor_model_parallel_size', 'model_parallel_size') ?? tensorSize,
    numberOf(args, 'pipeline_model_parallel_size') ?? pipelineSize,
  ];
  if (told[0] !== tensorSize || told[1] !== pipelineSize)
    throw new InputError(
      `${file}: one of ${told.join(' × ')} partitions (tensor × pipeline), found ${tensorSize} × ${pipelineSize}: give the folder that has them all`,
    );
}

/** NVIDIA's BERT and GPT-2 of this time have heads of 64. */
function guessedHeads(hiddenSize: number, file: string, notes: string[]): number {
  if (hiddenSize === 0 || hiddenSize % 64 !== 0)
    throw new InputError(`${file}: does not say how many attention heads it has; give --num-attention-heads`);
  const heads = hiddenSize / 64;
  notes.push(
    `assumed ${heads} attention heads, of 64 each: the checkpoint does not say (--num-attention-heads)`,
  );
  return heads;
}

type Flat = ReadonlyMap<string, TorchTensor>;

/** The model of one rank, in parts where its stages are interleaved. */
function chunksOf({ checkpoint, file }: Held): Flat[] {
  const names = checkpoint.has('model')
    ? ['model']
    : [...checkpoint.keys()].filter((key): key is string => /^model\d{1,3}$/.test(String(key))).sort();
  return names.map((name) => {
    const flat = new Map<string, TorchTensor>();
    flatten(checkpoint.get(name), '', 0, (key, tensor) => {
      const ours = renamed(key);
      if (flat.has(ours)) throw new InputError(`${file}: two tensors for ${ours}`);
      flat.set(ours, tensor);
    });
    return flat;
  });
}

/** Dictionaries in dictionaries, as deep as Megatron-LM nests them. */
function flatten(
  value: unknown,
  prefix: string,
  depth: number,
  visit: (name: string, tensor: TorchTensor) => void,
): void {
  if (isTensor(value)) visit(prefix, value);
  else if (value instanceof Map && depth < 8)
    for (const [key, item] of value)
      if (typeof key === 'string') flatten(item, prefix === '' ? key : `${prefix}.${key}`, depth + 1, visit);
}

/**
 * Each parameter's parts in the order of the tensor ranks, its layers numbered over all stages: first come the first
 * chunks of all stages, then their second ones.
 */
function gatherParts(
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
          if (isIgnored(local) || (isTiedCopy(local) && stages.length > 1)) continue;
          const layer = /^encoder\.layers\.(\d{1,4})\./.exec(local)?.[1];
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
  const size = stages[0]!.length;
  for (const [name, { length }] of parts)
    if (length !== size) throw new InputError(`${file}: ${name}: expected ${size} parts, found ${length}`);
  return { parts, layers };
}

function wholeTensor(
  name: MegatronName,
  parts: readonly TorchTensor[],
  heads: number,
  version: CheckpointVersion,
): WholeTensor {
  const { dtype } = parts[0]!;
  const { name: file } = parts[0]!.storage.place!.source;
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
  // what is not split is the same in all of them
  const needed = partition === undefined ? parts.slice(0, 1) : parts;
  return {
    dtype,
    shape,
    position: rowMajorPlace(parts[0]!)?.offset ?? 0,
    read: async () => {
      const bytes: Uint8Array[] = [];
      for (const part of needed) bytes.push(await readTensor(part));
      return merge(bytes, { name, shape, itemSize: itemSize(dtype), heads, version });
    },
  };
}
