/**
 * Reads the tensors of files that `torch.save` wrote (the zip format of PyTorch 1.6 and later) without executing
 * anything: a pickle of names, shapes and strides, beside a file of bytes for each storage.
 * Source: torch/serialization.py, torch/_utils.py (`_rebuild_tensor_v2`).
 */
import { open } from 'node:fs/promises';
import { InputError } from '../errors.js';
import { readFully } from './file-bytes.js';
import { isGlobal, unpickle, type PickleGlobal } from './unpickle.js';
import { readZipDirectory, type ZipDirectory, type ZipEntry } from './zip-directory.js';

const storageTypes = {
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  DoubleStorage: 'F64',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
} as const;

/** As in safetensors. */
export type TorchDtype = (typeof storageTypes)[keyof typeof storageTypes];

const itemSizes: Record<TorchDtype, number> = {
  F64: 8,
  I64: 8,
  F32: 4,
  I32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
};

/** Where a tensor's elements lie in the file: row-major, little-endian. */
export interface TorchTensor {
  readonly dtype: TorchDtype;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly byteLength: number;
}

interface StorageReference {
  readonly kind: 'storage';
  readonly dtype: TorchDtype;
  readonly key: string;
}

interface TensorReference {
  readonly kind: 'tensor';
  readonly storage: StorageReference;
  /** In elements. */
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** Pickles of weights are some hundred bytes a tensor. */
const largestPickle = 256 * 2 ** 20;

/**
 * The tensors of a state dictionary, by name; what else it holds is passed over.
 *
 * @throws InputError where the file is not of that format, or a tensor is not stored in rows
 */
export async function readTorchTensors(path: string): Promise<Map<string, TorchTensor>> {
  const file = await open(path).catch((error: unknown) => {
    throw new InputError(`${path}: cannot be opened: ${(error as Error).message}`, { cause: error });
  });
  try {
    const archive = await readZipDirectory(file, path);
    const readEntry = async (entry: ZipEntry): Promise<Buffer> => {
      const offset = await archive.offsetOf(entry);
      if (!entry.isStored || entry.byteLength > largestPickle)
        throw new InputError(
          `${path}: ${entry.name}: expected it as it is, and at most ${largestPickle} bytes`,
        );
      const bytes = Buffer.alloc(entry.byteLength);
      await readFully(file, bytes, offset);
      return bytes;
    };
    const pickle = [...archive.entries.values()].find(({ name }) => /^[^/]+\/data\.pkl$/.test(name));
    if (!pickle) throw new InputError(`${path}: not a file of PyTorch 1.6 or later: it has no data.pkl`);
    const root = pickle.name.slice(0, -'data.pkl'.length);
    const byteOrder = archive.entries.get(`${root}byteorder`);
    if (byteOrder && (await readEntry(byteOrder)).toString() !== 'little')
      throw new InputError(`${path}: expected little-endian tensors`);
    const value = unpickle(await readEntry(pickle), {
      source: `${path}: ${pickle.name}`,
      construct,
      persistent: (id) => storageReference(id, path),
    });
    if (!(value instanceof Map)) throw new InputError(`${path}: expected a dictionary of tensors`);
    return await locate(value, archive, `${root}data/`, path);
  } finally {
    await file.close();
  }
}

/** The few calls that make plain data. */
function construct({ module, name }: PickleGlobal, args: readonly unknown[]): unknown {
  switch (`${module}.${name}`) {
    case 'collections.OrderedDict':
      return isPairs(args[0] ?? []) ? new Map((args[0] ?? []) as [unknown, unknown][]) : undefined;
    case 'torch._utils._rebuild_tensor_v2':
      return tensorReference(args);
    case 'torch._utils._rebuild_parameter':
      return args[0];
    default:
      return undefined;
  }
}

const isPairs = (value: unknown): boolean =>
  Array.isArray(value) && value.every((pair) => Array.isArray(pair) && pair.length === 2);
const isSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);

function tensorReference([storage, offset, shape, strides]: readonly unknown[]): TensorReference | undefined {
  if (!isStorage(storage) || !isSizes([offset]) || !isSizes(shape) || !isSizes(strides)) return undefined;
  return { kind: 'tensor', storage, offset: offset as number, shape, strides };
}

const isStorage = (value: unknown): value is StorageReference =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'storage';
const isTensor = (value: unknown): value is TensorReference =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'tensor';

/** ('storage', type, key, device, number of elements) */
function storageReference(id: unknown, path: string): StorageReference {
  const [word, type, key] = Array.isArray(id) ? (id as unknown[]) : [];
  const dtype = isGlobal(type) ? storageTypes[type.name as keyof typeof storageTypes] : undefined;
  if (word !== 'storage' || dtype === undefined || typeof key !== 'string')
    throw new InputError(
      `${path}: a storage of a kind that is not known${isGlobal(type) ? ` (${type.module}.${type.name})` : ''}`,
    );
  return { kind: 'storage', dtype, key };
}

async function locate(
  values: ReadonlyMap<unknown, unknown>,
  archive: ZipDirectory,
  folder: string,
  path: string,
): Promise<Map<string, TorchTensor>> {
  const tensors = new Map<string, TorchTensor>();
  for (const [name, value] of values) {
    if (typeof name !== 'string' || !isTensor(value)) continue;
    const { storage, shape } = value;
    const itemSize = itemSizes[storage.dtype];
    const byteLength = shape.reduce((product, size) => product * size, itemSize);
    const start = value.offset * itemSize;
    const entry = archive.entries.get(folder + storage.key);
    if (!entry?.isStored)
      throw new InputError(
        `${path}: ${name}: expected its numbers, stored as they are, in ${folder}${storage.key}`,
      );
    if (!Number.isSafeInteger(byteLength) || start + byteLength > entry.byteLength)
      throw new InputError(
        `${path}: ${name}: expected ${byteLength} bytes from ${start} in ${entry.name}, found ${entry.byteLength}`,
      );
    if (!isRowMajor(value)) throw new InputError(`${path}: ${name} is a view that is not stored in rows`);
    const offset = (await archive.offsetOf(entry)) + start;
    tensors.set(name, { dtype: storage.dtype, shape, offset, byteLength });
  }
  return tensors;
}

function isRowMajor({ shape, strides }: TensorReference): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}
