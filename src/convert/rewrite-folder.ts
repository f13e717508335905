/** Model folders of any architecture whose weights are `pytorch_model.bin`, with safetensors in their place. */
import { copyFile, readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { checksumOf } from '../checkpoint/file-bytes.js';
import { isFloat } from '../checkpoint/megatron/model.js';
import { quoted, storedArrays } from '../checkpoint/safetensors-header.js';
import { openTorch, tensorsOf } from '../checkpoint/torch/read.js';
import {
  elementsOf,
  itemSize,
  readTensor,
  tensorByteLength,
  type TorchTensor,
} from '../checkpoint/torch/tensor.js';
import { budgetFor } from '../checkpoint/torch/unpickle.js';
import { InputError } from '../errors.js';
import { readWeightMap } from '../pretrained/stored-weights.js';
import { writeModelFiles, type ModelFile, type SizedEntry } from '../pretrained/model-files.js';
import { floatDtypes, type DtypeName } from './adapt.js';
import { bitsOf, castBytes } from './numbers.js';

export interface Rewritten {
  readonly files: readonly ModelFile[];
  readonly parameters: number;
  readonly dtypes: ReadonlySet<string>;
  readonly notes: readonly string[];
}

/** Files with more than this are weights of another form, and are left out. */
const largestOther = 2 ** 26;
/** A file whose tensors share storages may say that it holds more than it has: tied weights are twice. */
const largestRatio = 8;
const longestName = 1000;
/** Mean something else in safetensors or in JavaScript. */
const reservedNames = ['__metadata__', '__proto__'];

/** @throws InputError where the folder has no such weights */
export async function rewriteFolder(
  source: string,
  folder: string,
  dtype: DtypeName | undefined,
  onTensor: (done: number, total: number) => void,
): Promise<Rewritten> {
  const weightFiles = await torchFilesIn(source);
  const size = await sizeOf(source, weightFiles);
  const budget = budgetFor(size);
  const opened = [];
  try {
    for (const file of weightFiles)
      opened.push({ file, ...(await openTorch(path.join(source, file), budget)) });
    const tensors = new Map(opened.flatMap(({ file, value }) => [...tensorsOf(value, file)]));
    if (tensors.size === 0) throw new InputError(`${source}: ${weightFiles.join(', ')}: no tensors by name`);
    requireNames(tensors, source);
    const { kept, notes } = withoutTied(tensors);
    const total = [...kept.values()].reduce((sum, tensor) => sum + tensorByteLength(tensor), 0);
    if (total > largestRatio * size)
      throw new InputError(`${source}: ${size} bytes say that they hold ${total} of numbers`);
    let done = 0;
    const entries = [...kept].map(([name, tensor]) =>
      toEntry(name, tensor, dtype, () => {
        onTensor((done += tensorByteLength(tensor)), total);
      }),
    );
    const files = await writeModelFiles(folder, entries);
    return {
      files: [...files, ...(await copyOthers(source, folder))],
      parameters: entries.reduce((sum, { shape }) => sum + elementsOf(shape), 0),
      dtypes: new Set(entries.map((entry) => entry.dtype)),
      notes,
    };
  } finally {
    for (const { close } of opened) await close();
  }
}

async function torchFilesIn(source: string): Promise<string[]> {
  const names = await readdir(source);
  if (names.includes('pytorch_model.bin')) return ['pytorch_model.bin'];
  const index = 'pytorch_model.bin.index.json';
  if (names.includes(index)) return [...new Set((await readWeightMap(path.join(source, index))).values())];
  const isDone = names.some((name) => name.endsWith('.safetensors'));
  throw new InputError(
    isDone
      ? `${source}: its weights are safetensors already; --to megatron makes a Megatron-LM checkpoint`
      : `${source}: no weights: expected pytorch_model.bin or ${index}`,
  );
}

/** Once each, as transformers stores them: what is tied is the same view of the same storage. */
function withoutTied(tensors: ReadonlyMap<string, TorchTensor>) {
  const names = new Map<string, string>();
  const kept = new Map<string, TorchTensor>();
  const notes: string[] = [];
  for (const [name, tensor] of tensors) {
    const { storage, offset, shape, strides } = tensor;
    const { source, offset: start } = storage.place!;
    const view = [source.name, start, tensor.dtype, offset, shape.join('×'), strides.join('×')].join(' ');
    const first = names.get(view);
    if (first === undefined || shape.includes(0)) {
      names.set(view, name);
      kept.set(name, tensor);
    } else notes.push(`${quoted(name)} is ${quoted(first)}, and stored once`);
  }
  return { kept, notes };
}

async function sizeOf(source: string, files: readonly string[]): Promise<number> {
  let size = 0;
  for (const file of files) {
    const status = await stat(path.join(source, file)).catch((error: unknown) => {
      throw new InputError(`${source}: ${file}: cannot be opened: ${(error as Error).message}`, {
        cause: error,
      });
    });
    size += status.size;
  }
  return size;
}

function requireNames(tensors: ReadonlyMap<string, TorchTensor>, source: string): void {
  for (const name of tensors.keys())
    if (name.length > longestName || reservedNames.includes(name))
      throw new InputError(`${source}: ${quoted(name)}: a name that safetensors does not take`);
}

function toEntry(
  name: string,
  tensor: TorchTensor,
  dtype: DtypeName | undefined,
  onRead: () => void,
): SizedEntry {
  const { shape } = tensor;
  const from = tensor.dtype;
  const to = dtype !== undefined && isFloat(from) ? floatDtypes[dtype] : from;
  return {
    name,
    dtype: to,
    shape,
    byteLength: (tensorByteLength(tensor) / itemSize(from)) * itemSize(to),
    data: async () => {
      const bytes = await readTensor(tensor);
      onRead();
      if (isFloat(from) && isFloat(to)) return bitsOf(castBytes(bytes, from, to), to);
      const array = storedArrays[from];
      return new array(
        bytes.buffer as ArrayBuffer,
        bytes.byteOffset,
        bytes.byteLength / array.BYTES_PER_ELEMENT,
      );
    },
  };
}

/** The configuration, the tokenizer's files and whatever else is small; other forms of the weights are not. */
async function copyOthers(source: string, folder: string): Promise<ModelFile[]> {
  const copied: ModelFile[] = [];
  const isWeights = (name: string) =>
    /\.(bin|pt|pth|h5|msgpack|ot|onnx|safetensors)$|\.index\.json$/i.test(name);
  const own = await realpath(source);
  // in the hub's cache files are links; those that lead elsewhere could lead to anything
  const places = [own, path.resolve(own, '../../blobs')];
  for (const entry of await readdir(source, { withFileTypes: true })) {
    const file = await realpath(path.join(source, entry.name)).catch(() => '');
    if (entry.name.startsWith('.') || isWeights(entry.name) || !places.includes(path.dirname(file))) continue;
    const status = await stat(file).catch(() => undefined);
    if (!status?.isFile() || status.size > largestOther) continue;
    const copy = path.join(folder, entry.name);
    await copyFile(file, copy);
    copied.push({ name: entry.name, ...(await checksumOf(copy)) });
  }
  return copied;
}
