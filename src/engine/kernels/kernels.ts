import type { RandomKey } from '../../random.js';
import type { AdamOptions } from '../engine.js';
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
type CompiledKernels = Record<
  'adam' | 'linearCombination' | 'sumOfSquares' | 'dropoutMask',
  (...values: number[]) => number
>;

/** What becomes of the parameter p and of Adam's direction d: `keep` · p + `scale` · d. */
export interface AdamResult {
  readonly keep: number;
  readonly scale: number;
}

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
   * `adam` of reference.ts, for `count` parameters.
   *
   * @throws RangeError where an offset and the count lead out of the memory
   */
  adam(
    parameter: number,
    gradient: number,
    firstMoment: number,
    secondMoment: number,
    target: number,
    count: number,
    options: AdamOptions,
    result: AdamResult,
  ): void;
  /** y ← a · y + b · x, of `count` numbers at `y` and `x`. @throws RangeError as `adam` */
  linearCombination(a: number, y: number, b: number, x: number, count: number): void;
  /** Σx² of `count` numbers, added in float64. @throws RangeError as `adam` */
  sumOfSquares(offset: number, count: number): number;
  /**
   * Writes `outer` · `run` float32s: `dropoutMask` of reference.ts.
   *
   * @param rate how likely an element is zero, in [0, 1)
   * @throws RangeError as `adam`, and for a rate out of range
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
    adam(parameter, gradient, firstMoment, secondMoment, target, count, options, { keep, scale }) {
      const offsets = [parameter, gradient, firstMoment, secondMoment, target];
      for (const offset of offsets) requireFloats(offset, count);
      const { beta1, beta2, epsilon, weightDecay, step, gradientScale } = options;
      const correction1 = 1 - beta1 ** step;
      const rootScale = correction1 / Math.sqrt(1 - beta2 ** step);
      kernels.adam(
        ...offsets,
        count,
        gradientScale,
        1 - beta1,
        1 - beta2,
        rootScale,
        epsilon * correction1,
        weightDecay,
        keep,
        scale,
      );
    },
    linearCombination(a, y, b, x, count) {
      for (const offset of [y, x]) requireFloats(offset, count);
      kernels.linearCombination(a, y, b, x, count);
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
