/** Tensors of torch's files: a shape and strides over a storage, which is a range of bytes. */
import { InputError } from '../../errors.js';
import { readBytes, type ByteSource } from '../byte-source.js';
import { storedArrays, type SafetensorsDtype } from '../safetensors-header.js';

/** As in safetensors. */
export type TorchDtype = SafetensorsDtype;

/** By torch's class; an untyped storage is of bytes. */
export const storageTypes = {
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
  UntypedStorage: 'U8',
  _UntypedStorage: 'U8',
} as const satisfies Record<string, TorchDtype>;

/** Numbers in a file. Where they lie is known after the pickle was read. */
export interface TorchStorage {
  readonly kind: 'storage';
  readonly dtype: TorchDtype;
  readonly key: string;
  /** Bytes that the pickle says it has. */
  readonly byteLength: number;
  place?: StoragePlace;
}

export interface StoragePlace {
  readonly source: ByteSource;
  readonly offset: number;
  readonly isBigEndian: boolean;
  /** Run before the first bytes are read. @throws InputError where they are not what they should be */
  readonly check?: () => Promise<void>;
}

export interface TorchTensor {
  readonly kind: 'tensor';
  readonly dtype: TorchDtype;
  readonly storage: TorchStorage;
  /** In elements, as the strides are. */
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

export const isTensor = (value: unknown): value is TorchTensor =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'tensor';

export const itemSize = (dtype: TorchDtype) => storedArrays[dtype].BYTES_PER_ELEMENT;

export const elementsOf = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);

export const tensorByteLength = ({ dtype, shape }: Pick<TorchTensor, 'dtype' | 'shape'>) =>
  elementsOf(shape) * itemSize(dtype);

/** The elements of the storage that a tensor reaches over: none where it is empty. */
function extent({ shape, strides }: TorchTensor): number {
  return shape.includes(0) ? 0 : 1 + shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis]!, 0);
}

/** @throws InputError for a tensor that is not in its storage, or is made larger than that by repeating it */
export function checkTensor(tensor: TorchTensor, name: string): void {
  const { dtype, offset, storage, shape } = tensor;
  // of empty ones too, which may have one size of 0 beside others
  if (!Number.isSafeInteger(elementsOf(shape.filter((size) => size !== 0)) * itemSize(dtype)))
    throw new InputError(`${name}: [${shape.join(', ')}] is larger than any file`);
  const end = (offset + extent(tensor)) * itemSize(dtype);
  if (!(end <= storage.byteLength))
    throw new InputError(`${name}: expected ${end} bytes in its storage, found ${storage.byteLength}`);
  if (!(tensorByteLength(tensor) <= storage.byteLength))
    throw new InputError(
      `${name}: [${shape.join(', ')}] repeats the numbers of a smaller storage, which is not supported`,
    );
}

/** Where the elements of a tensor lie in rows, as they are; undefined where they have to be gathered. */
export function rowMajorPlace(
  tensor: TorchTensor,
): { source: ByteSource; offset: number; byteLength: number } | undefined {
  const { dtype, offset, storage } = tensor;
  const { source, offset: start, isBigEndian } = storage.place!;
  if (isBigEndian || !isRowMajor(tensor)) return undefined;
  return { source, offset: start + offset * itemSize(dtype), byteLength: tensorByteLength(tensor) };
}

/** A tensor's bytes: row-major, little-endian. */
export async function readTensor(tensor: TorchTensor): Promise<Uint8Array> {
  const { dtype, offset, storage } = tensor;
  const { source, offset: start, isBigEndian, check } = storage.place!;
  await check?.();
  const size = itemSize(dtype);
  const length = isRowMajor(tensor) ? elementsOf(tensor.shape) : extent(tensor);
  const bytes = await readBytes(source, start + offset * size, length * size);
  if (isBigEndian) swapBytes(bytes, size);
  return isRowMajor(tensor) ? bytes : gathered(bytes, tensor);
}

function isRowMajor({ shape, strides }: TorchTensor): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}

function swapBytes(bytes: Buffer, size: number): void {
  if (size === 2) bytes.swap16();
  if (size === 4) bytes.swap32();
  if (size === 8) bytes.swap64();
}

/** @param bytes from the tensor's first element to its last */
function gathered(bytes: Buffer, tensor: TorchTensor): Uint8Array {
  const { shape, strides, dtype } = tensor;
  const array = storedArrays[dtype];
  const from = new array(
    bytes.buffer as ArrayBuffer,
    bytes.byteOffset,
    bytes.length / array.BYTES_PER_ELEMENT,
  );
  const to = new array(elementsOf(shape));
  if (to.length === 0) return new Uint8Array();
  let next = 0;
  const visit = (axis: number, at: number): void => {
    if (axis === shape.length) to[next++] = from[at]!;
    else for (let i = 0; i < shape[axis]!; i++) visit(axis + 1, at + i * strides[axis]!);
  };
  visit(0, 0);
  return new Uint8Array(to.buffer);
}
