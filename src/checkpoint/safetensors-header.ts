/**
 * The header of a safetensors file: what a JSON object says about named ranges of bytes, believed only after checks.
 * Source: the format's description, https://github.com/huggingface/safetensors#format
 */
import { InputError } from '../errors.js';
import { parseJsonWithUniqueKeys } from './unique-json.js';

/** What a stored tensor's values can be held in. */
export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

/** The dtypes and the array with their bits; its element has the dtype's size. JavaScript has none for 16-bit floats. */
export const storedArrays = {
  BOOL: Uint8Array,
  U8: Uint8Array,
  I8: Int8Array,
  U16: Uint16Array,
  I16: Int16Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  U32: Uint32Array,
  I32: Int32Array,
  F32: Float32Array,
  U64: BigUint64Array,
  I64: BigInt64Array,
  F64: Float64Array,
} as const;

export type SafetensorsDtype = keyof typeof storedArrays;

/** Where a tensor lies: `offset` in bytes from the start of the file. */
export interface StoredTensor {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly byteLength: number;
}

export interface SafetensorsHeader {
  readonly metadata: ReadonlyMap<string, string>;
  /** In the order of their bytes in the file. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** The 8 bytes before the header, which give its length. */
export const prefixByteLength = 8;

/** Of some hundred bytes a tensor; the format allows twelve times as much, which takes seconds to read. */
export const largestHeaderByteLength = 2 ** 23;

const metadataName = '__metadata__';

/** Number of bytes of a tensor. @throws {RangeError} when it is not a safe integer */
export function storedByteLength(dtype: SafetensorsDtype, shape: readonly number[]): number {
  return shape.reduce((product, size) => {
    const next = product * size;
    if (!Number.isSafeInteger(next)) throw new RangeError(`shape [${shape.join(', ')}] is too large`);
    return next;
  }, storedArrays[dtype].BYTES_PER_ELEMENT);
}

/** A name as it may be shown: quoted and escaped, at most 100 characters. */
export function quoted(name: string): string {
  const text = JSON.stringify(name);
  return text.length > 100 ? `${text.slice(0, 99)}…` : text;
}

/**
 * How many bytes of header follow the first 8.
 *
 * @param path the file's name, for the errors
 * @param prefix the file's first 8 bytes, or what there is of them
 * @param fileByteLength the size of the whole file
 * @throws {InputError} where the file has not so many, or no header has
 */
export function headerByteLength(path: string, prefix: Uint8Array, fileByteLength: number): number {
  if (prefix.byteLength < prefixByteLength)
    throw new InputError(`${path}: not a safetensors file: shorter than ${prefixByteLength} bytes`);
  const { buffer, byteOffset } = prefix;
  const announced = new DataView(buffer, byteOffset).getBigUint64(0, true);
  const available = fileByteLength - prefixByteLength;
  if (announced > largestHeaderByteLength || announced > available)
    throw new InputError(
      `${path}: not a safetensors file, or an incomplete one: a header of ${announced.toString()} bytes was announced, ` +
        `${available} bytes follow, and ${largestHeaderByteLength} are allowed`,
    );
  return Number(announced);
}

/**
 * Reads and checks a header.
 *
 * @param path the file's name, for the errors
 * @param bytes the header's bytes, without the 8 bytes of its length
 * @param fileByteLength the size of the whole file
 * @throws {InputError} unless the tensors' ranges tile the data exactly and fit their shapes
 */
export function parseHeader(path: string, bytes: Uint8Array, fileByteLength: number): SafetensorsHeader {
  const { [metadataName]: metadata, ...entries } = headerObject(path, bytes);
  const dataStart = prefixByteLength + bytes.byteLength;
  const tensors = Object.entries(entries)
    .map(([name, entry]) => [name, parseTensor(`${path}: tensor ${quoted(name)}`, entry, dataStart)] as const)
    .sort(([, a], [, b]) => a.offset - b.offset || a.byteLength - b.byteLength);
  checkTiling(path, tensors, dataStart, fileByteLength);
  return { metadata: parseMetadata(path, metadata), tensors: new Map(tensors) };
}

function headerObject(path: string, bytes: Uint8Array): Record<string, unknown> {
  let parsed: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    parsed = parseJsonWithUniqueKeys(text);
  } catch (error) {
    throw new InputError(`${path}: the header is not valid JSON: ${(error as Error).message}`);
  }
  if (!isObject(parsed)) throw new InputError(`${path}: the header is not a JSON object`);
  if (Object.hasOwn(parsed, '__proto__')) throw new InputError(`${path}: a tensor is named "__proto__"`);
  return parsed;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && !Object.is(value, -0);
}

function areSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isSize);
}

function parseMetadata(path: string, value: unknown): ReadonlyMap<string, string> {
  if (value === undefined) return new Map();
  if (!isObject(value)) throw new InputError(`${path}: ${metadataName} is not an object`);
  const entries = Object.entries(value).map(([key, text]): [string, string] => {
    if (typeof text !== 'string') {
      throw new InputError(`${path}: ${metadataName} has a value that is not a string: ${quoted(key)}`);
    }
    return [key, text];
  });
  return new Map(entries);
}

/** @param where file and tensor, for the errors */
function parseTensor(where: string, entry: unknown, dataStart: number): StoredTensor {
  if (!isObject(entry))
    throw new InputError(`${where}: expected an object with dtype, shape and data_offsets`);
  const { dtype, shape, data_offsets: range } = entry;
  if (typeof dtype !== 'string' || !Object.hasOwn(storedArrays, dtype)) {
    const found = typeof dtype === 'string' ? quoted(dtype) : typeof dtype;
    throw new InputError(
      `${where}: unknown dtype ${found}; expected one of ${Object.keys(storedArrays).join(', ')}`,
    );
  }
  if (!areSizes(shape)) throw new InputError(`${where}: the shape is not a list of non-negative integers`);
  if (!areSizes(range) || range.length !== 2 || range[0]! > range[1]!) {
    throw new InputError(`${where}: data_offsets is not a pair of non-negative integers [begin, end]`);
  }
  const tensor = { dtype: dtype as SafetensorsDtype, shape };
  const byteLength = range[1]! - range[0]!;
  checkByteLength(where, tensor, byteLength);
  return { ...tensor, offset: dataStart + range[0]!, byteLength };
}

function checkByteLength(
  where: string,
  { dtype, shape }: Pick<StoredTensor, 'dtype' | 'shape'>,
  found: number,
): void {
  let expected: number;
  try {
    expected = storedByteLength(dtype, shape);
  } catch {
    throw new InputError(`${where}: the shape is larger than any file`);
  }
  if (found !== expected) {
    const description = `${dtype} [${shape.slice(0, 8).join(', ')}${shape.length > 8 ? ', …' : ''}]`;
    throw new InputError(`${where}: ${description} takes ${expected} bytes, but data_offsets give ${found}`);
  }
}

function checkTiling(
  path: string,
  tensors: readonly (readonly [string, StoredTensor])[],
  dataStart: number,
  fileByteLength: number,
): void {
  let end = dataStart;
  for (const [name, { offset, byteLength }] of tensors) {
    if (offset !== end) {
      const problem = offset < end ? 'overlaps the tensor before it' : 'leaves a hole before it';
      throw new InputError(`${path}: tensor ${quoted(name)} ${problem}`);
    }
    end = offset + byteLength;
    if (end > fileByteLength) {
      throw new InputError(
        `${path}: tensor ${quoted(name)} ends at byte ${end}, but the file has ${fileByteLength} bytes: incomplete?`,
      );
    }
  }
  if (end !== fileByteLength) {
    throw new InputError(`${path}: ${fileByteLength - end} bytes after the last tensor belong to none`);
  }
}

/** The inverse of {@link parseHeader}: length, JSON, and spaces up to a multiple of 8 bytes, where the data begins. */
export function encodeHeader(
  tensors: readonly { name: string; dtype: SafetensorsDtype; shape: readonly number[] }[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  let end = 0;
  const entries = tensors.map(({ name, dtype, shape }) => {
    const begin = end;
    end += storedByteLength(dtype, shape);
    return [name, { dtype, shape, data_offsets: [begin, end] }] as const;
  });
  const json = new TextEncoder().encode(
    JSON.stringify({ [metadataName]: metadata, ...Object.fromEntries(entries) }),
  );
  const byteLength = Math.ceil(json.byteLength / 8) * 8;
  if (byteLength > largestHeaderByteLength) {
    throw new RangeError(
      `a safetensors header of ${byteLength} bytes; at most ${largestHeaderByteLength} are allowed`,
    );
  }
  const header = new Uint8Array(prefixByteLength + byteLength).fill(' '.charCodeAt(0));
  new DataView(header.buffer).setBigUint64(0, BigInt(byteLength), true);
  header.set(json, prefixByteLength);
  return header;
}
