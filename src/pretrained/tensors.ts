import { InputError } from '../errors.js';
import type { HostTensor } from '../engine/engine.js';

/** A result: row-major numbers and their shape. */
export interface Tensor {
  readonly type: 'float32';
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** Row-major numbers and their shape, as tokenizers and transformers.js's tensors have them. */
export interface TensorLike {
  readonly dims: readonly number[];
  readonly data: ArrayLike<number> | BigInt64Array;
}

export type Vector = readonly number[] | TensorLike;
export type Matrix = readonly (readonly number[])[] | TensorLike;
export type Cube = readonly (readonly (readonly number[])[])[] | TensorLike;
type Nested = number | readonly Nested[];
export type NumericInput = readonly Nested[] | TensorLike;

export const isTensorLike = (value: NumericInput): value is TensorLike => 'dims' in value;

/** The sizes of nested arrays, or of a tensor. @throws InputError where rows differ in length */
export function dimsOf(name: string, value: NumericInput): readonly number[] {
  if (isTensorLike(value)) {
    const size = value.dims.reduce((product, dim) => product * dim, 1);
    if (size !== value.data.length)
      throw new InputError(
        `${name}: expected ${size} numbers for [${value.dims.join(', ')}], found ${value.data.length}`,
      );
    return value.dims;
  }
  const [first] = value;
  if (!Array.isArray(first)) return [value.length];
  const inner = dimsOf(name, first as readonly Nested[]);
  for (const row of value) {
    const found = dimsOf(name, row as readonly Nested[]);
    if (found.join() !== inner.join())
      throw new InputError(
        `${name}: expected rows of one length, found [${inner.join(', ')}] and [${found.join(', ')}]`,
      );
  }
  return [value.length, ...inner];
}

/** Whole numbers. @throws InputError naming the first that is none, or outside the limits */
export function toIntegers(
  name: string,
  value: NumericInput,
  { least = 0, below }: { readonly least?: number; readonly below: number },
): HostTensor {
  const dims = dimsOf(name, value);
  const numbers = isTensorLike(value) ? value.data : (value as readonly number[]).flat(Infinity);
  const data = new Int32Array(numbers.length);
  for (let i = 0; i < data.length; i++) {
    const number = Number(numbers[i]);
    if (!Number.isInteger(number) || number < least || number >= below)
      throw new InputError(`${name}: expected integers from ${least} to ${below - 1}, found ${number}`);
    data[i] = number;
  }
  return { dims, data };
}

/** @throws InputError for what is no number */
export function toFloats(name: string, value: NumericInput): HostTensor {
  const dims = dimsOf(name, value);
  if (isTensorLike(value) && value.data instanceof Float32Array) return { dims, data: value.data };
  const numbers: readonly unknown[] = isTensorLike(value)
    ? Array.from(value.data, Number)
    : (value as readonly unknown[]).flat(Infinity);
  if (!numbers.every((number) => typeof number === 'number'))
    throw new InputError(`${name}: expected numbers, found ${JSON.stringify(value)}`);
  return { dims, data: Float32Array.from(numbers) };
}

/** @throws InputError when the shape is none of those allowed */
export function requireDims(
  name: string,
  tensor: HostTensor,
  ...allowed: readonly (readonly number[])[]
): HostTensor {
  if (allowed.some((dims) => dims.join() === tensor.dims.join())) return tensor;
  const shapes = allowed.map((dims) => `[${dims.join(', ')}]`).join(' or ');
  throw new InputError(`${name}: expected ${shapes}, found [${tensor.dims.join(', ')}]`);
}
