import { addDimensions, knownSize, multiplyDimensions, type Dimension } from './dimension.js';
import {
  formatType,
  sameShape,
  sizeOf,
  type DType,
  type Group,
  type KnownShape,
  type Shape,
  type Value,
} from './value.js';

/** What a shape rule answers. */
export interface Type {
  readonly shape: Shape;
  readonly dtype: DType;
}

export class ShapeError extends Error {
  override name = 'ShapeError';
}

function fail(expected: string, inputs: readonly Type[]): never {
  throw new ShapeError(`expected ${expected}, found ${inputs.map(formatType).join(' and ')}`);
}

export function requireType(dtype: DType, inputs: readonly Type[]): void {
  if (inputs.some((input) => input.dtype !== dtype)) fail(dtype, inputs);
}

export function requireShape(shape: Shape, input: Type): void {
  if (!sameShape(shape, input.shape)) fail(`shape [${shape.join(', ')}]`, [input]);
}

/** NumPy's rule: shapes are aligned at their last axis, and a size of 1 is repeated. A named size is never 1 here. */
export function broadcastShapes(inputs: readonly Type[]): Shape {
  const rank = Math.max(...inputs.map(({ shape }) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = inputs.map(({ shape }) => shape[shape.length - rank + axis] ?? 1);
    const size = sizes.find((candidate) => candidate !== 1) ?? 1;
    if (sizes.some((other) => other !== 1 && other !== size)) fail('shapes that broadcast', inputs);
    return size;
  });
}

/** Elementwise arithmetic: equal types, broadcast shapes. */
export function arithmetic(inputs: readonly Type[]): Type {
  const { dtype } = inputs[0]!;
  requireType(dtype, inputs);
  return { shape: broadcastShapes(inputs), dtype };
}

export function comparison(inputs: readonly Type[]): Type {
  return { shape: arithmetic(inputs).shape, dtype: 'bool' };
}

export function select([condition, a, b]: readonly Type[]): Type {
  requireType('bool', [condition!]);
  return { shape: broadcastShapes([condition!, a!, b!]), dtype: arithmetic([a!, b!]).dtype };
}

/** Float in, float out, same shape. */
export function elementwise(inputs: readonly Type[]): Type {
  requireType('float32', inputs);
  return inputs[0]!;
}

export function layerNorm([x, scale, bias]: readonly Type[]): Type {
  requireType('float32', [x!, scale!, bias!]);
  for (const parameter of [scale!, bias!]) requireShape(x!.shape.slice(-1), parameter);
  return x!;
}

/** [..., rows, inner] × [..., inner, columns], leading axes equal. */
export function matmul(
  [a, b]: readonly Type[],
  { transposeA, transposeB }: { transposeA: boolean; transposeB: boolean },
): Type {
  requireType('float32', [a!, b!]);
  const matrix = ({ shape }: Type, transposed: boolean) =>
    transposed ? [shape.at(-1), shape.at(-2)] : [shape.at(-2), shape.at(-1)];
  const [rows, inner] = matrix(a!, transposeA);
  const [otherInner, columns] = matrix(b!, transposeB);
  const batch = a!.shape.slice(0, -2);
  if (
    a!.shape.length < 2 ||
    inner === undefined ||
    inner !== otherInner ||
    !sameShape(batch, b!.shape.slice(0, -2))
  )
    fail(
      `matrices that multiply${transposeA ? ', first transposed' : ''}${transposeB ? ', second transposed' : ''}`,
      [a!, b!],
    );
  return { shape: [...batch, rows!, columns!], dtype: 'float32' };
}

/** A reduction keeps its axes, with size 1. */
export function reduction([x]: readonly Type[], { axes }: { axes: readonly number[] }): Type {
  requireType('float32', [x!]);
  if (axes.some((axis) => !(axis in x!.shape))) fail(`axes ${axes.join(', ')}`, [x!]);
  return { shape: x!.shape.map((size, axis) => (axes.includes(axis) ? 1 : size)), dtype: x!.dtype };
}

export function reshape([x]: readonly Type[], { shape }: { shape: Shape }): Type {
  if (sizeOf(shape) !== sizeOf(x!.shape)) fail(`${sizeOf(shape)} elements for [${shape.join(', ')}]`, [x!]);
  return { shape, dtype: x!.dtype };
}

export function broadcast([x]: readonly Type[], { shape }: { shape: Shape }): Type {
  const target = { shape, dtype: x!.dtype };
  if (!sameShape(broadcastShapes([x!, target]), shape))
    fail(`a shape that broadcasts to [${shape.join(', ')}]`, [x!]);
  return target;
}

export function transpose([x]: readonly Type[], { permutation }: { permutation: readonly number[] }): Type {
  if ([...permutation].sort((a, b) => a - b).join() !== Object.keys(x!.shape).join())
    fail(`axes to permute by [${permutation.join(', ')}]`, [x!]);
  return { shape: permutation.map((axis) => x!.shape[axis]!), dtype: x!.dtype };
}

export function slice(
  [x]: readonly Type[],
  { axis, start, end }: { axis: number; start: number; end: number },
): Type {
  const size = x!.shape[axis] ?? 0;
  // of a named size only the run can tell
  if (!(0 <= start && start < end && (typeof size === 'string' || end <= size)))
    fail(`elements ${start} to ${end} on axis ${axis}`, [x!]);
  return { shape: x!.shape.with(axis, end - start), dtype: x!.dtype };
}

export function concat(inputs: readonly Type[], { axis }: { axis: number }): Type {
  const { shape, dtype } = inputs[0]!;
  requireType(dtype, inputs);
  const others = (input: Type) => input.shape.with(axis, 1);
  if (!(axis in shape) || inputs.some((input) => !sameShape(others(input), others(inputs[0]!))))
    fail(`shapes that differ on axis ${axis} only`, inputs);
  return {
    shape: shape.with(axis, inputs.map((input) => input.shape[axis]!).reduce<Dimension>(addDimensions, 0)),
    dtype,
  };
}

/** table [rows, width], ids [...] → [..., width] */
export function gather([table, ids]: readonly Type[]): Type {
  requireType('int32', [ids!]);
  if (table!.shape.length !== 2) fail('a table of two axes', [table!]);
  return { shape: [...ids!.shape, table!.shape[1]!], dtype: table!.dtype };
}

/** base [rows, width], ids [...], updates [..., width] → [rows, width] */
export function scatterAdd([base, ids, updates]: readonly Type[]): Type {
  requireType('float32', [base!, updates!]);
  requireShape(gather([base!, ids!]).shape, updates!);
  return base!;
}

/** Whole axis on every rank, from a part on each. */
export function allGather([x]: readonly Type[], { axis, size }: Group & { axis: number }): Type {
  return { shape: x!.shape.with(axis, multiplyDimensions(x!.shape[axis]!, size)), dtype: x!.dtype };
}

export function reduceScatter([x]: readonly Type[], { axis, size }: Group & { axis: number }): Type {
  const whole = knownSize(x!.shape[axis]!);
  if (whole % size !== 0) fail(`axis ${axis} to be divisible by ${size} ranks`, [x!]);
  return { shape: x!.shape.with(axis, whole / size), dtype: x!.dtype };
}

/** The shape of a value's part, without the value: see `DropoutMaskAttributes`. */
export function part({
  unpartitionedShape,
  axis,
  parts,
}: {
  unpartitionedShape: KnownShape;
  axis: number;
  parts: number;
}): Shape {
  return reduceScatter([{ shape: unpartitionedShape, dtype: 'float32' }], { group: '', size: parts, axis })
    .shape;
}

export type { Value };
