/**
 * torch's files before 1.6: five pickles one after the other (a magic number, a version, the machine's sizes, the
 * value, the storages' keys), and then each storage in the order of the keys: its number of elements in 8 bytes, and
 * its numbers, little-endian on every machine. Source: torch/serialization.py, `_legacy_save` and `_legacy_load`.
 */
import { InputError } from '../../errors.js';
import { readBytes, type ByteSource } from '../byte-source.js';
import { checked, largestPickle, storageReference, type TorchFile } from './read.js';
import { itemSize, type TorchStorage } from './tensor.js';
import { IncompletePickle, unpickle, type Budget, type Unpickled } from './unpickle.js';

/** The first byte of pickles from protocol 2 on. */
const pickleStart = 0x80;
const magicNumber = 0x1950a86a20f9469cfc6cn;
const protocolVersion = 1001;

/** @throws InputError where the source is no such file, or ends elsewhere than its storages do */
export async function readLegacy(source: ByteSource, budget: Budget): Promise<TorchFile> {
  const { name } = source;
  const storages = new Map<string, TorchStorage[]>();
  const views: { storage: TorchStorage; root: TorchStorage; offset: number }[] = [];
  const pickles = pickleReader(source, budget, (id) => {
    if (Array.isArray(id) && id[0] === 'module') return (id as unknown[])[1];
    const { storage, view } = storageReference(id, name);
    const same = storages.get(storage.key);
    if (same) same.push(storage);
    else storages.set(storage.key, [storage]);
    if (view === undefined) return storage;
    const [offset, elements] = viewOf(view, name);
    const part: TorchStorage = { ...storage, byteLength: elements * itemSize(storage.dtype) };
    if ((offset + elements) * itemSize(storage.dtype) > storage.byteLength)
      throw new InputError(`${name}: a view of ${elements} at ${offset} is not in its storage`);
    views.push({ storage: part, root: storage, offset: offset * itemSize(storage.dtype) });
    return part;
  });

  const [protocol] = await readBytes(source, 0, Math.min(source.size, 1));
  if (protocol !== pickleStart || (await pickles.next()).value !== magicNumber)
    throw new InputError(`${name}: not a file of torch.save: neither a zip archive nor its magic number`);
  const { value: version } = await pickles.next();
  if (version !== protocolVersion)
    throw new InputError(`${name}: expected torch's format ${protocolVersion}, found another`);
  await pickles.next();
  const { value, globals } = await pickles.next();
  const { value: keys, end } = await pickles.next();
  placeStorages(source, keys, storages, end);
  for (const { storage, root, offset } of views)
    storage.place = { ...root.place!, offset: root.place!.offset + offset };
  return { value, format: 'legacy', globals };
}

/** (key, offset, number of elements) */
function viewOf(view: unknown, name: string): [offset: number, elements: number] {
  const [, offset, elements] = Array.isArray(view) ? (view as unknown[]) : [];
  const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
  if (!isSize(offset) || !isSize(elements))
    throw new InputError(`${name}: a view of a storage that is damaged`);
  return [offset, elements];
}

/** Reads pickles whose lengths only they know: more of the file when it was not enough. */
function pickleReader(source: ByteSource, budget: Budget, persistent: (id: unknown) => unknown) {
  let at = 0;
  let length = Math.min(source.size, 2 ** 16);
  let bytes: Buffer | undefined;
  return {
    async next(): Promise<Unpickled> {
      for (;;) {
        bytes ??= await readBytes(source, 0, length);
        try {
          const read = unpickle(
            bytes,
            { source: source.name, budget, construct: checked(source.name), persistent },
            at,
          );
          at = read.end;
          return read;
        } catch (error) {
          if (!(error instanceof IncompletePickle) || length >= Math.min(source.size, largestPickle))
            throw error;
          length = Math.min(4 * length, source.size, largestPickle);
          bytes = undefined;
        }
      }
    },
  };
}

function placeStorages(
  source: ByteSource,
  keys: unknown,
  storages: ReadonlyMap<string, readonly TorchStorage[]>,
  end: number,
): void {
  const { name, size } = source;
  if (!Array.isArray(keys) || keys.length !== storages.size || new Set(keys).size !== keys.length)
    throw new InputError(`${name}: expected the keys of its ${storages.size} storages`);
  let at = end;
  for (const key of keys as unknown[]) {
    const same = storages.get(key as string);
    if (!same) throw new InputError(`${name}: a storage that no tensor has`);
    const { byteLength, dtype } = same[0]!;
    const countAt = at;
    const place = {
      source,
      offset: at + 8,
      isBigEndian: false,
      async check() {
        const count = (await readBytes(source, countAt, 8)).readBigUInt64LE();
        if (count !== BigInt(byteLength / itemSize(dtype)))
          throw new InputError(
            `${name}: expected ${byteLength / itemSize(dtype)} numbers, found ${count.toString()}`,
          );
      },
    };
    for (const storage of same) {
      if (storage.byteLength !== byteLength) throw new InputError(`${name}: a storage of two sizes`);
      storage.place = place;
    }
    at += 8 + byteLength;
  }
  if (at !== size) throw new InputError(`${name}: expected ${at} bytes, found ${size}`);
}
