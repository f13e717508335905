import { knownSize, multiplyDimensions, type Dimension } from './dimension.js';

/** Sizes, outermost first; row-major. */
export type Shape = readonly Dimension[];

/** A shape whose every size is known. */
export type KnownShape = readonly number[];

export type DType = 'float32' | 'int32' | 'bool';

type None = Readonly<Record<string, never>>;

/** The ranks that take part in a communication: which dimension of the mesh, and how many ranks it has. */
export interface Group {
  readonly group: string;
  readonly size: number;
}

/** Every op of the graph, with what it is told besides its inputs. */
export interface OpAttributes {
  input: { readonly name: string };
  constant: { readonly value: number };
  iota: { readonly size: number };

  add: None;
  subtract: None;
  multiply: None;
  divide: None;
  exp: None;
  log: None;
  sqrt: None;
  tanh: None;
  erf: None;
  maximum: None;
  gelu: None;
  softmax: None;
  layerNorm: { readonly epsilon: number };

  matmul: { readonly transposeA: boolean; readonly transposeB: boolean };
  sum: { readonly axes: readonly number[] };
  max: { readonly axes: readonly number[] };

  reshape: { readonly shape: Shape };
  broadcast: { readonly shape: Shape };
  transpose: { readonly permutation: readonly number[] };
  slice: { readonly axis: number; readonly start: number; readonly end: number };
  concat: { readonly axis: number };

  gather: None;
  scatterAdd: None;
  oneHot: { readonly depth: Dimension };
  equal: None;
  less: None;
  select: None;
  cast: { readonly dtype: DType };
  stopGradient: None;
  dropoutMask: DropoutMaskAttributes;

  copyToParallel: Group;
  allReduce: Group & { readonly reduction: 'sum' | 'max' };
  allGather: Group & { readonly axis: number };
  reduceScatter: Group & { readonly axis: number };
}

/**
 * A mask is cut out of the mask of the unpartitioned tensor, so that a model drops the same elements
 * however it is split.
 */
export interface DropoutMaskAttributes {
  /** Probability that an element is dropped. */
  readonly rate: number;
  /** Tells the masks of one program apart. */
  readonly site: string;
  /** Shape of the unpartitioned tensor. */
  readonly unpartitionedShape: KnownShape;
  /** This mask is part `index` of `parts` equal parts along `axis`. */
  readonly axis: number;
  readonly parts: number;
  readonly index: number;
}

export type OpName = keyof OpAttributes;

/** An immutable expression: an op applied to inputs. */
export interface Node<Name extends OpName> {
  readonly op: Name;
  readonly inputs: readonly Value[];
  readonly attributes: OpAttributes[Name];
  readonly shape: Shape;
  readonly dtype: DType;
}

export type Value = { [Name in OpName]: Node<Name> }[OpName];

export function sizeOf(shape: KnownShape): number;
export function sizeOf(shape: Shape): Dimension;
export function sizeOf(shape: Shape): Dimension {
  return shape.reduce(multiplyDimensions, 1);
}

/** @throws Error where a size is not known */
export const knownShape = (shape: Shape): KnownShape => shape.map(knownSize);

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** `float32[8, 128]`, as printed in programs and errors. */
export function formatType(value: { readonly dtype: DType; readonly shape: Shape }): string {
  return `${value.dtype}[${value.shape.join(', ')}]`;
}
