import { createHash } from 'node:crypto';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { InputError } from '../errors.js';
import { readFully, writeFileAtomically, writeFully, type WrittenFile } from './file-bytes.js';
import { widenBfloat16, widenFloat16 } from './half-precision.js';
import {
  encodeHeader,
  headerByteLength,
  parseHeader,
  prefixByteLength,
  quoted,
  storedArrays,
  storedByteLength,
  type SafetensorsDtype,
  type SafetensorsHeader,
  type StoredTensor,
  type TensorData,
} from './safetensors-header.js';

export type { SafetensorsDtype, StoredTensor, TensorData } from './safetensors-header.js';

/** An open safetensors file, of which only the header is in memory. */
export interface SafetensorsFile extends SafetensorsHeader {
  readonly path: string;

  /**
   * One tensor's values, row-major, in the array of its dtype: `F32` Float32Array, `I32` Int32Array, `I64`
   * BigInt64Array, `U8` and `BOOL` Uint8Array, and so on; `F16` and `BF16` are widened to Float32Array.
   *
   * @throws {InputError} when there is no such tensor, or the file has become shorter
   */
  read(name: string): Promise<TensorData>;

  /**
   * Copies one tensor's bytes as they are stored (little-endian, not widened) into memory of the caller's.
   *
   * @param target as many bytes as the tensor has; its buffer may be shared
   * @throws {InputError} when there is no such tensor, or the file has become shorter
   * @throws {RangeError} when `target` has another size
   */
  readInto(name: string, target: Uint8Array): Promise<void>;

  readonly close: () => Promise<void>;
}

/** A tensor to write. A function is called when its turn comes, so that not all tensors need be in memory at once. */
export interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** Row-major values; for `F16` and `BF16` their bits in a Uint16Array, for `BOOL` 0 and 1 in a Uint8Array. */
  readonly data: TensorData | (() => TensorData | Promise<TensorData>);
}

/**
 * Opens a safetensors file and checks its header; tensors are read one by one, by file handle and offset.
 *
 * Nothing in the file is trusted: no more memory is taken than the file has bytes (twice that for widened tensors).
 *
 * @throws {InputError} naming the file, and the tensor where there is one, when the file is not as the format wants it
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  const file = await openFile(path);
  try {
    return openedFile(path, file, await readHeader(path, file));
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    // opening a pipe waits for who writes into it
    if (!(await stat(path)).isFile()) throw new InputError('not a file');
    return await open(path, 'r');
  } catch (error) {
    throw new InputError(`${path}: cannot be opened: ${(error as Error).message}`, { cause: error });
  }
}

async function readHeader(path: string, file: FileHandle): Promise<SafetensorsHeader> {
  const { size } = await file.stat();
  const prefix = new Uint8Array(prefixByteLength);
  const found = await readFully(file, prefix, 0);
  const header = new Uint8Array(headerByteLength(path, prefix.subarray(0, found), size));
  if ((await readFully(file, header, prefixByteLength)) < header.byteLength) {
    throw new InputError(`${path}: the file became shorter while its header was read`);
  }
  return parseHeader(path, header, size);
}

function openedFile(path: string, file: FileHandle, header: SafetensorsHeader): SafetensorsFile {
  function tensorNamed(name: string): StoredTensor {
    const tensor = header.tensors.get(name);
    if (tensor === undefined) throw new InputError(`${path}: there is no tensor ${quoted(name)}`);
    return tensor;
  }

  async function readBytes(name: string, tensor: StoredTensor, target: Uint8Array): Promise<void> {
    if ((await readFully(file, target, tensor.offset)) < target.byteLength) {
      throw new InputError(
        `${path}: tensor ${quoted(name)}: the file has become shorter since it was opened`,
      );
    }
  }

  return {
    ...header,
    path,
    close: () => file.close(),
    async read(name) {
      const tensor = tensorNamed(name);
      if (tensor.dtype === 'F16' || tensor.dtype === 'BF16') {
        const values = new Float32Array(tensor.byteLength / 2);
        // the stored halves go to the array's end, and are widened in place from its start
        await readBytes(name, tensor, new Uint8Array(values.buffer, tensor.byteLength));
        (tensor.dtype === 'F16' ? widenFloat16 : widenBfloat16)(values);
        return values;
      }
      const array = storedArrays[tensor.dtype];
      const values = new array(tensor.byteLength / array.BYTES_PER_ELEMENT);
      await readBytes(name, tensor, new Uint8Array(values.buffer));
      return values;
    },
    async readInto(name, target) {
      const tensor = tensorNamed(name);
      if (target.byteLength !== tensor.byteLength) {
        throw new RangeError(
          `${path}: tensor ${quoted(name)} has ${tensor.byteLength} bytes, the target ${target.byteLength}`,
        );
      }
      await readBytes(name, tensor, target);
    },
  };
}

/**
 * Writes a safetensors file beside `path` and renames it into place: on any error `path` is as it was before and
 * nothing is left behind.
 *
 * Tensors are written, and functions among the data called, in order of descending element size (else as given), so
 * that every tensor is aligned to its element.
 *
 * @param metadata added to `{ format: 'pt' }`, without which transformers refuses a file
 * @throws {RangeError} for a repeated or reserved name, and for data that do not fit their dtype and shape
 */
export async function writeSafetensors(
  path: string,
  entries: Iterable<SafetensorsEntry>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<WrittenFile> {
  const sorted = [...entries].sort((a, b) => elementByteLength(b) - elementByteLength(a));
  checkNamesAndShapes(sorted);
  const header = encodeHeader(sorted, { format: 'pt', ...metadata });
  const hash = createHash('sha256');
  let length = 0;
  await writeFileAtomically(path, async (file) => {
    const append = async (bytes: Uint8Array) => {
      const written = writeFully(file, bytes);
      hash.update(bytes);
      length += bytes.byteLength;
      await written;
    };
    await append(header);
    for (const entry of sorted) await append(await entryBytes(entry));
  });
  return { bytes: length, sha256: hash.digest('hex') };
}

function elementByteLength({ dtype }: SafetensorsEntry): number {
  return storedArrays[dtype].BYTES_PER_ELEMENT;
}

function checkNamesAndShapes(entries: readonly SafetensorsEntry[]): void {
  const names = new Set<string>();
  for (const { name, shape } of entries) {
    if (names.has(name)) throw new RangeError(`two tensors are named ${quoted(name)}`);
    if (name === '__metadata__' || name === '__proto__') throw new RangeError(`the name ${name} is reserved`);
    if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
      throw new RangeError(`tensor ${quoted(name)}: [${shape.join(', ')}] is not a shape`);
    }
    names.add(name);
  }
}

async function entryBytes({ name, dtype, shape, data }: SafetensorsEntry): Promise<Uint8Array> {
  const values = typeof data === 'function' ? await data() : data;
  const array = storedArrays[dtype];
  const byteLength = storedByteLength(dtype, shape);
  if (!(values instanceof array) || values.byteLength !== byteLength) {
    throw new RangeError(
      `tensor ${quoted(name)}: ${dtype} [${shape.join(', ')}] needs ${array.name} data of ${byteLength} bytes, ` +
        `not ${values.constructor.name} data of ${values.byteLength}`,
    );
  }
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
