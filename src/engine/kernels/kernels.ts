import type { RandomKey } from '../../random.js';
import type { AdamWOptions } from '../engine.js';
import type { PartLayout } from '../../partition.js';
import { compiledKernels } from './compiled.js';

/** What is used of https://webassembly.github.io/spec/js-api/, which is typed with the browser's interfaces only. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => WebAssemblyModule;
  readonly Memory: new (pages: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
  readonly Instance: new (
    module: WebAssemblyModule,
    imports: { env: { memory: unknown } },
  ) => { readonly exports: unknown };
};
type WebAssemblyModule = object;

/** The functions of assembly/kernels.ts. */
type CompiledKernels = Record<'adamW' | 'sumOfSquares' | 'dropoutMask', (...values: number[]) => number>;

/** Memory that does not move, and kernels that work in it. Offsets and lengths are in bytes, counts in float32s. */
export interface Arena {
  /** All of it, zero at first. */
  readonly memory: ArrayBuffer;
  /**
   * Sets memory aside, for good.
   *
   * @returns where it begins, a multiple of 64
   * @throws RangeError when so much is not left
   */
  allocate(byteLength: number): number;
  /**
   * Updates `count` parameters and their moments in place: `adamW` of reference.ts.
   *
   * @throws RangeError where an offset and the count lead out of the memory
   */
  adamW(
    parameter: number,
    gradient: number,
    firstMoment: number,
    secondMoment: number,
    count: number,
    options: AdamWOptions,
  ): void;
  /** Σx² of `count` numbers, added in float64. @throws RangeError as `adamW` */
  sumOfSquares(offset: number, count: number): number;
  /**
   * Writes `outer` · `run` float32s: `dropoutMask` of reference.ts.
   *
   * @param rate how likely an element is zero, in [0, 1)
   * @throws RangeError as `adamW`, and for a rate out of range
   */
  dropoutMask(offset: number, layout: PartLayout, key: RandomKey, rate: number): void;
}

const pageBytes = 65536;
const maximumBytes = 2 ** 32;
const alignment = 64;

let module: WebAssemblyModule | undefined;

/**
 * @param byteLength the size of the memory, up to 4 GiB; rounded up to pages of 64 KiB. Of most systems it takes
 *   addresses only, until it is written to.
 * @throws RangeError when it is too large, or the system refuses it
 */
export function createArena(byteLength: number): Arena {
  if (!(byteLength >= 0 && byteLength <= maximumBytes))
    throw new RangeError(`an arena has at most ${maximumBytes} bytes, found ${byteLength}`);
  const pages = Math.ceil(byteLength / pageBytes);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const { buffer } = memory;
  module ??= new WebAssembly.Module(Uint8Array.from(atob(compiledKernels), (byte) => byte.charCodeAt(0)));
  const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as CompiledKernels;
  let used = 0;

  const requireFloats = (offset: number, count: number) => {
    if (!(offset >= 0 && count >= 0 && offset + 4 * count <= buffer.byteLength))
      throw new RangeError(`${count} numbers at ${offset} are not within ${buffer.byteLength} bytes`);
  };

  return {
    memory: buffer,
    allocate(byteLength) {
      const offset = used;
      const end = offset + Math.ceil(byteLength / alignment) * alignment;
      if (!(byteLength >= 0 && end <= buffer.byteLength))
        throw new RangeError(`${byteLength} bytes are not left of ${buffer.byteLength}, ${used} are in use`);
      used = end;
      return offset;
    },
    adamW(parameter, gradient, firstMoment, secondMoment, count, options) {
      const offsets = [parameter, gradient, firstMoment, secondMoment];
      for (const offset of offsets) requireFloats(offset, count);
      const { learningRate, beta1, beta2, epsilon, weightDecay, step, gradientScale } = options;
      kernels.adamW(
        ...offsets,
        count,
        gradientScale,
        1 - learningRate * weightDecay,
        1 - beta1,
        beta2,
        1 - beta2,
        1 / Math.sqrt(1 - beta2 ** step),
        epsilon,
        learningRate / (1 - beta1 ** step),
      );
    },
    sumOfSquares(offset, count) {
      requireFloats(offset, count);
      return kernels.sumOfSquares(offset, count);
    },
    dropoutMask(offset, { outer, run, stride, start }, key, rate) {
      requireFloats(offset, outer * run);
      const threshold = Math.round(rate * 2 ** 32);
      if (!(rate >= 0 && threshold < 2 ** 32))
        throw new RangeError(`a dropout rate is at least 0 and less than 1, found ${rate}`);
      kernels.dropoutMask(offset, outer, run, stride, start, ...key, threshold, 1 / (1 - rate));
    },
  };
}
