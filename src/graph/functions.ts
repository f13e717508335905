/** The vocabulary in which models are written: each function makes a `Value`. */
import { knownSize, type Dimension } from './dimension.js';
import { ops } from './ops.js';
import { ShapeError } from './shapes.js';
import {
  sameShape,
  sizeOf,
  type DropoutMaskAttributes,
  type DType,
  type Group,
  type OpAttributes,
  type OpName,
  type Shape,
  type Value,
} from './value.js';

/** Numbers stand for scalars of the type that the other operand has. */
export type Operand = Value | number;

function apply<Name extends OpName>(
  op: Name,
  inputs: readonly Value[],
  attributes: OpAttributes[Name],
): Value {
  try {
    return { op, inputs, attributes, ...typeOnly(ops[op].type(inputs, attributes)) } as Value;
  } catch (error) {
    if (error instanceof ShapeError) throw new ShapeError(`${op}: ${error.message}`);
    throw error;
  }
}

const typeOnly = ({ shape, dtype }: { shape: Shape; dtype: DType }) => ({ shape, dtype });

/** A value that is given when the program runs. */
export function input(name: string, shape: Shape, dtype: DType = 'float32'): Value {
  return { op: 'input', inputs: [], attributes: { name }, shape, dtype };
}

/** A scalar. */
export function constant(value: number, dtype: DType = 'float32'): Value {
  return { op: 'constant', inputs: [], attributes: { value }, shape: [], dtype };
}

/** int32[size]: 0, 1, 2 … */
export const iota = (size: number) => apply('iota', [], { size });

function operands(a: Operand, b: Operand): [Value, Value] {
  const dtype = typeof a !== 'number' ? a.dtype : typeof b !== 'number' ? b.dtype : 'float32';
  const lift = (x: Operand) => (typeof x === 'number' ? constant(x, dtype) : x);
  return [lift(a), lift(b)];
}

export const add = (a: Operand, b: Operand) => apply('add', operands(a, b), {});
export const subtract = (a: Operand, b: Operand) => apply('subtract', operands(a, b), {});
export const multiply = (a: Operand, b: Operand) => apply('multiply', operands(a, b), {});
export const divide = (a: Operand, b: Operand) => apply('divide', operands(a, b), {});
export const negate = (x: Value) => multiply(-1, x);
export const exp = (x: Value) => apply('exp', [x], {});
export const log = (x: Value) => apply('log', [x], {});
export const sqrt = (x: Value) => apply('sqrt', [x], {});
/** The greater of two. */
export const maximum = (a: Operand, b: Operand) => apply('maximum', operands(a, b), {});
export const tanh = (x: Value) => apply('tanh', [x], {});
export const erf = (x: Value) => apply('erf', [x], {});
export const gelu = (x: Value) => apply('gelu', [x], {});
export const softmax = (x: Value) => apply('softmax', [x], {});
export const layerNorm = (x: Value, scale: Value, bias: Value, epsilon: number) =>
  apply('layerNorm', [x, scale, bias], { epsilon });

/** [..., m, k] × [..., k, n] → [..., m, n], either matrix read transposed. */
export function matmul(a: Value, b: Value, { transposeA = false, transposeB = false } = {}): Value {
  return apply('matmul', [a, b], { transposeA, transposeB });
}

const positive = (axes: readonly number[], rank: number) =>
  axes.map((axis) => (axis < 0 ? axis + rank : axis)).sort((a, b) => a - b);

/** Sum over axes (negative ones count from the end), which stay with size 1. */
export const sum = (x: Value, axes: readonly number[]) =>
  apply('sum', [x], { axes: positive(axes, x.shape.length) });
/** Greatest over axes, which stay with size 1. */
export const max = (x: Value, axes: readonly number[]) =>
  apply('max', [x], { axes: positive(axes, x.shape.length) });
/** Mean over axes of known size, which stay with size 1. */
export function mean(x: Value, axes: readonly number[]): Value {
  const total = sum(x, axes);
  const count = sizeOf(axes.map((axis) => knownSize(x.shape.at(axis)!)));
  return multiply(1 / count, total);
}

export const reshape = (x: Value, shape: Shape) =>
  sameShape(x.shape, shape) ? x : apply('reshape', [x], { shape });
export function broadcast(x: Operand, shape: Shape): Value {
  const value = typeof x === 'number' ? constant(x) : x;
  return sameShape(value.shape, shape) ? value : apply('broadcast', [value], { shape });
}
export const zerosLike = (x: Value) => broadcast(0, x.shape);
export const transpose = (x: Value, permutation: readonly number[]) =>
  apply('transpose', [x], { permutation });
export const slice = (x: Value, axis: number, start: number, end: number) =>
  apply('slice', [x], { axis, start, end });
export const concat = (inputs: readonly Value[], axis: number) =>
  inputs.length === 1 ? inputs[0]! : apply('concat', inputs, { axis });

/** The reverse of broadcasting: sums `x` down to `shape`. */
export function sumTo(x: Value, shape: Shape): Value {
  const added = x.shape.length - shape.length;
  const repeated = x.shape.flatMap((size, axis) =>
    axis < added || (shape[axis - added] === 1 && size !== 1) ? [axis] : [],
  );
  return reshape(repeated.length > 0 ? sum(x, repeated) : x, shape);
}

/** table [rows, width], ids [...] → [..., width]; zeros where an id is outside the table. */
export const gather = (table: Value, ids: Value) => apply('gather', [table, ids], {});
/** base [rows, width] plus updates [..., width] at rows ids [...]; ids outside the table are dropped. */
export const scatterAdd = (base: Value, ids: Value, updates: Value) =>
  apply('scatterAdd', [base, ids, updates], {});
/** ids [...] → [..., depth]; zeros where an id is outside the depth. */
export const oneHot = (ids: Value, depth: Dimension) => apply('oneHot', [ids], { depth });
export const equal = (a: Operand, b: Operand) => apply('equal', operands(a, b), {});
/** Whether a < b. */
export const less = (a: Operand, b: Operand) => apply('less', operands(a, b), {});
/** `a` where the condition holds, else `b`. */
export const select = (condition: Value, a: Operand, b: Operand) =>
  apply('select', [condition, ...operands(a, b)], {});
export const cast = (x: Value, dtype: DType) => (x.dtype === dtype ? x : apply('cast', [x], { dtype }));
export const stopGradient = (x: Value) => apply('stopGradient', [x], {});
/** key int32[2] */
export const dropoutMask = (key: Value, attributes: DropoutMaskAttributes) =>
  apply('dropoutMask', [key], attributes);

// With one rank there is nothing to communicate, and these vanish.
const among = ({ group, size }: Group) => ({ group, size });
/** Megatron's f. */
export const copyToParallel = (x: Value, group: Group) =>
  group.size === 1 ? x : apply('copyToParallel', [x], among(group));
/** Megatron's g for the sum. No gradient flows through a maximum. */
export const allReduce = (x: Value, group: Group, reduction: 'sum' | 'max' = 'sum') =>
  group.size === 1 ? x : apply('allReduce', [x], { ...among(group), reduction });
/** The ranks' parts joined along an axis, on every rank. */
export const allGather = (x: Value, group: Group, axis: number) =>
  group.size === 1 ? x : apply('allGather', [x], { ...among(group), axis });
/** Each rank's part, along an axis, of the sum over the ranks. */
export const reduceScatter = (x: Value, group: Group, axis: number) =>
  group.size === 1 ? x : apply('reduceScatter', [x], { ...among(group), axis });
