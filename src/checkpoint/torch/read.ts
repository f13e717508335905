/**
 * Reads what `torch.save` wrote, executing nothing: a pickle of everything but the numbers, which stay in the file
 * until they are asked for. Source: torch/serialization.py.
 */
import { InputError } from '../../errors.js';
import { openFile, readBytes, type ByteSource } from '../byte-source.js';
import { readZipDirectory, type ZipEntry } from '../zip/directory.js';
import { constructKnown } from './known-values.js';
import { readLegacy } from './legacy.js';
import {
  checkTensor,
  isTensor,
  storageTypes,
  itemSize,
  type TorchStorage,
  type TorchTensor,
} from './tensor.js';
import { budgetFor, isGlobal, unpickle, type Budget, type PickleGlobal } from './unpickle.js';

export interface TorchFile {
  /** Plain data with `TorchTensor`s in it. */
  readonly value: unknown;
  /** `zip` from PyTorch 1.6 on, `legacy` before. */
  readonly format: 'zip' | 'legacy';
  /** Classes and functions that the file names. */
  readonly globals: ReadonlySet<string>;
}

/** A pickle without its numbers takes some hundred bytes a tensor. */
export const largestPickle = 8 * 2 ** 20;

/**
 * @param budget shared where several files make one model
 * @throws InputError where the source is no such file, or says what its bytes cannot hold
 */
export async function readTorch(source: ByteSource, budget = budgetFor(source.size)): Promise<TorchFile> {
  const head = await readBytes(source, 0, Math.min(source.size, 512));
  if (head.subarray(0, 2).toString('latin1') === 'PK') return readZip(source, budget);
  if (head.subarray(257, 262).toString('latin1') === 'ustar')
    throw new InputError(`${source.name}: a tar file of PyTorch 0.1; load and save it with a later one`);
  return readLegacy(source, budget);
}

async function readZip(source: ByteSource, budget: Budget): Promise<TorchFile> {
  const { name } = source;
  const archive = await readZipDirectory(source);
  const [pickle, another] = [...archive.entries.values()].filter((entry) =>
    /^[^/]+\/data\.pkl$/.test(entry.name),
  );
  if (!pickle) throw new InputError(`${name}: not a file of torch.save: it has no data.pkl`);
  if (another)
    throw new InputError(`${name}: expected one data.pkl, found ${pickle.name} and ${another.name}`);
  const root = pickle.name.slice(0, -'data.pkl'.length);
  const small = async (entry: ZipEntry) => {
    if (!entry.isStored || entry.byteLength > largestPickle)
      throw new InputError(
        `${name}: ${entry.name}: expected it as it is, and at most ${largestPickle} bytes, found ${entry.byteLength}`,
      );
    return readBytes(source, await archive.offsetOf(entry), entry.byteLength);
  };
  const byteOrder = archive.entries.get(`${root}byteorder`);
  const isBigEndian = byteOrder !== undefined && (await small(byteOrder)).toString() === 'big';

  const storages = new Map<ZipEntry, TorchStorage[]>();
  const { value, globals } = unpickle(await small(pickle), {
    source: `${name}: ${pickle.name}`,
    budget,
    construct: checked(name),
    persistent(id) {
      const { storage } = storageReference(id, name);
      const entry = archive.entries.get(`${root}data/${storage.key}`);
      if (!entry?.isStored)
        throw new InputError(`${name}: expected numbers, stored as they are, in ${root}data/${storage.key}`);
      if (storage.byteLength > entry.byteLength)
        throw new InputError(
          `${name}: ${entry.name}: expected ${storage.byteLength} bytes, found ${entry.byteLength}`,
        );
      const same = storages.get(entry);
      if (same) same.push(storage);
      else storages.set(entry, [storage]);
      return storage;
    },
  });
  // forwards: an archive in an archive is inflated as it is read
  for (const [entry, same] of [...storages].sort(([a], [b]) => a.headerOffset - b.headerOffset)) {
    const offset = await archive.offsetOf(entry);
    for (const storage of same) storage.place = { source, offset, isBigEndian };
  }
  return { value, format: 'zip', globals };
}

/** What is known, with every tensor checked against its storage. */
export const checked =
  (source: string) =>
  (type: PickleGlobal, args: readonly unknown[]): unknown => {
    const value = constructKnown(type, args);
    if (isTensor(value)) checkTensor(value, `${source}: a tensor`);
    return value;
  };

/**
 * ('storage', type, key, device, number of elements), and in the older format what the storage is a view of:
 * (key, offset, number of elements).
 */
export function storageReference(
  id: unknown,
  source: string,
): { readonly storage: TorchStorage; readonly view: unknown } {
  const [word, type, key, , elements, view] = Array.isArray(id) ? (id as unknown[]) : [];
  const dtype =
    isGlobal(type) && Object.hasOwn(storageTypes, type.name)
      ? storageTypes[type.name as keyof typeof storageTypes]
      : undefined;
  const isFitting =
    word === 'storage' &&
    typeof key === 'string' &&
    Number.isSafeInteger(elements) &&
    (elements as number) >= 0;
  if (dtype === undefined || !isFitting)
    throw new InputError(
      `${source}: a storage of a kind that is not known${isGlobal(type) ? ` (${type.module}.${type.name})` : ''}`,
    );
  const byteLength = (elements as number) * itemSize(dtype);
  return { storage: { kind: 'storage', dtype, key, byteLength }, view: view ?? undefined };
}

/** The tensors of a state dictionary, by name; what else it holds is passed over. */
export function tensorsOf(value: unknown, source: string): Map<string, TorchTensor> {
  if (!(value instanceof Map)) throw new InputError(`${source}: expected a dictionary of tensors`);
  const tensors = new Map<string, TorchTensor>();
  for (const [name, tensor] of value)
    if (typeof name === 'string' && isTensor(tensor)) tensors.set(name, tensor);
  return tensors;
}

/** Opens a file of torch's; `close` when its tensors have been read. */
export async function openTorch(
  path: string,
  budget?: Budget,
): Promise<TorchFile & { readonly close: () => Promise<void> }> {
  const source = await openFile(path);
  try {
    return { ...(await readTorch(source, budget)), close: source.close };
  } catch (error) {
    await source.close();
    throw error;
  }
}
