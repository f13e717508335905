import type { Program } from '../graph/program.js';
import type { DType, KnownShape, Shape } from '../graph/value.js';

/** What crosses between an engine and the program that uses it. Bool is one byte an element. */
export type HostArray = Float32Array | Int32Array | Uint8Array;

/** A tensor in an engine's memory. */
export interface Buffer {
  readonly shape: KnownShape;
  readonly dtype: DType;
}

/** What a buffer is to hold; every size must be known. */
export interface BufferType {
  readonly shape: Shape;
  readonly dtype: DType;
}

export type Buffers = Readonly<Record<string, Buffer>>;

export interface Executable {
  /**
   * Computes every output of the program into the buffer of that name. A buffer may serve as an input and
   * as an output at once where the program only adds to it (`accumulated.NAME` and `gradient.NAME`).
   * @throws Error naming what is missing or of another shape
   */
  run(inputs: Buffers, outputs: Buffers): Promise<void>;
}

/** A parameter, its gradient and what its optimizer keeps of earlier ones; all of one shape, allocated together. */
export interface TrainedParameter {
  readonly value: Buffer;
  readonly gradient: Buffer;
  readonly moments: readonly Buffer[];
}

export interface AdamOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Decoupled: added to the direction, not to the gradient. */
  readonly weightDecay: number;
  /** Number of this update, from 1. */
  readonly step: number;
  /** Multiplies the gradient first: the coefficient of gradient clipping. */
  readonly gradientScale: number;
}

/** What goes on while something else is computed. */
export interface StartedSum {
  /** Goes on as far as that is possible without waiting. */
  advance(): void;
  finish(): void | Promise<void>;
}

/**
 * The collective operations of one group of ranks, and messages between two of them. Every rank calls the same ones in
 * the same order.
 */
export interface Collectives<Data = Float32Array> {
  /** Combines `data` over the ranks, in place; every rank gets the same bits. */
  allReduce(data: Data, reduction: 'sum' | 'max'): void | Promise<void>;
  /** `whole` becomes the ranks' parts, one after the other; `part` may be this rank's stretch of it. */
  allGather(part: Data, whole: Data): void | Promise<void>;
  /** `part` becomes this rank's stretch of the sum of `whole` over the ranks, and may be that stretch itself. */
  reduceScatter(whole: Data, part: Data): void | Promise<void>;
  /** `data` becomes what it is on the rank `root`. */
  broadcast(data: Data, root: number): void | Promise<void>;
  /**
   * Begins what `reduceScatter` does, or without a part what `allReduce` does, for a sum. Other operations may come before
   * it is finished; nothing else may use its numbers until then.
   */
  startSum(whole: Data, part?: Data): StartedSum;
  /** Returns when `data` may be written over, whether or not the rank `to` has received it. */
  send(data: Data, to: number): void | Promise<void>;
  /** Waits for the next that the rank `from` has sent to this one. @throws Error where it has another length */
  receive(data: Data, from: number): void | Promise<void>;
}

/** Numbers outside an engine, row-major. */
export interface HostTensor {
  readonly dims: readonly number[];
  readonly data: HostArray;
}

/** Where in a file numbers lie, row-major and little-endian. */
export interface FilePlace {
  readonly folder: string;
  readonly file: string;
  readonly offset: number;
  readonly byteLength: number;
}

/** Values of an input that never change. */
export type FloatWeight =
  | { readonly type: 'float32'; readonly data: Float32Array }
  | ({ readonly type: 'float32' | 'float16' | 'bfloat16' } & FilePlace);

/** A matrix [out, in] that is multiplied by in 8 bits: `values` [in, out] times its column's `scales` [out]. */
export interface Int8Weight {
  readonly type: 'int8';
  readonly values: FilePlace | { readonly data: Int8Array };
  readonly scales: FilePlace | { readonly data: Float32Array };
  /** For all but products. */
  readonly full: FloatWeight;
}

/** What is made only when it is loaded, and not kept: a part that does not lie in one piece. */
export interface ReadWeight {
  readonly type: 'float32';
  readonly read: () => Promise<Float32Array>;
}

export type Weight = FloatWeight | ReadWeight | Int8Weight;

/** A program with its weights, for inference: named sizes are those of each run's inputs. */
export interface LoadedProgram {
  /**
   * Runs at once or side by side with others.
   * @param inputs all that are not weights; more are passed over
   * @throws Error naming the input that is missing or of another shape; the signal's reason when it aborts
   */
  run(
    inputs: Readonly<Record<string, HostTensor>>,
    signal?: AbortSignal,
  ): Promise<Record<string, HostTensor>>;
  release(): void;
}

export interface LoadOptions {
  /**
   * Rearranges the weights for the fastest products, in memory of its own; otherwise they are read where they
   * lie, which loads at once.
   */
  readonly prepack: boolean;
}

/** Where buffers come from. */
export interface Allocator {
  /** Buffers that are allocated together lie together. @throws RangeError when memory is short */
  allocate<const Types extends readonly BufferType[]>(types: Types): { readonly [I in keyof Types]: Buffer };
}

/** Compiles programs for a device, keeps its memory, and runs. */
export interface Engine extends Allocator {
  /** Zero-filled. */
  allocate: Allocator['allocate'];
  /**
   * Memory for computations that take turns. Each call of what this returns begins anew: buffers lie where those of the
   * calls before lie, and hold anything.
   */
  region(): () => Allocator;
  /** Some of a buffer's numbers, from the one at `start` on, in the same memory; it goes with the buffer. */
  view(buffer: Buffer, start: number, shape: KnownShape): Buffer;
  /** Gives memory back; the buffers must not be used again. */
  free(buffers: readonly Buffer[]): void;
  /** Bytes of the buffers that are allocated and not freed, those of compiled programs included. */
  allocatedBytes(): number;
  write(buffer: Buffer, data: HostArray): Promise<void>;
  /** A copy. */
  read(buffer: Buffer): Promise<HostArray>;
  /** Equal programs are compiled once. */
  compile(program: Program): Promise<Executable>;
  /** @param weights values for inputs of the program, by name; their files must stay as they are */
  load(program: Program, weights: ReadonlyMap<string, Weight>, options: LoadOptions): Promise<LoadedProgram>;
  /**
   * value ← value - learningRate · d, where d is Adam's direction: with the gradient scaled to g,
   * m ← β₁m + (1 - β₁)g; v ← β₂v + (1 - β₂)g²; d = m̂ / (√v̂ + ε) + weightDecay · value.
   *
   * @param parameter has two moments, m and v
   */
  adam(parameter: TrainedParameter, options: AdamOptions, learningRate: number): Promise<void>;
  /** gradient ← d, as `adam`; the value stays. */
  adamDirection(parameter: TrainedParameter, options: AdamOptions): Promise<void>;
  /** y ← a · y + b · x, of buffers that were allocated together. */
  linearCombination(a: number, y: Buffer, b: number, x: Buffer): Promise<void>;
  sumOfSquares(buffer: Buffer): Promise<number>;
  /** What buffers of float32 are communicated with; it throws where the engine was given no such group. */
  group(name: string): Collectives<Buffer>;
  release(): Promise<void>;
}
