/** What the kernels compute, in plain TypeScript. */
import { randomBits, type RandomKey } from '../../random.js';
import type { PartLayout } from '../../partition.js';
import type { AdamOptions } from '../engine.js';
import type { AdamResult } from './kernels.js';

type Floats = Float32Array | Float64Array;

/**
 * Adam's direction with decoupled weight decay (Loshchilov & Hutter, arXiv 1711.05101, algorithm 2), of moments that are
 * updated in place. What becomes of it is written to `target`, which may be the parameter or the gradient.
 */
export function adam(
  parameter: Floats,
  gradient: Floats,
  firstMoment: Floats,
  secondMoment: Floats,
  target: Floats,
  { beta1, beta2, epsilon, weightDecay, step, gradientScale }: AdamOptions,
  { keep, scale }: AdamResult,
): void {
  const correction1 = 1 - beta1 ** step;
  const correction2 = 1 - beta2 ** step;
  for (let i = 0; i < parameter.length; i++) {
    const g = gradient[i]! * gradientScale;
    const m = beta1 * firstMoment[i]! + (1 - beta1) * g;
    const v = beta2 * secondMoment[i]! + (1 - beta2) * g * g;
    firstMoment[i] = m;
    secondMoment[i] = v;
    const direction = m / correction1 / (Math.sqrt(v / correction2) + epsilon) + weightDecay * parameter[i]!;
    target[i] = keep * parameter[i]! + scale * direction;
  }
}

/** y ← a · y + b · x */
export function linearCombination(a: number, y: Floats, b: number, x: Floats): void {
  for (let i = 0; i < y.length; i++) y[i] = a * y[i]! + b * x[i]!;
}

export function sumOfSquares(values: Floats): number {
  let sum = 0;
  for (const value of values) sum += value * value;
  return sum;
}

/**
 * The mask that a tensor is multiplied by: zeros with probability `rate`, else 1 / (1 - `rate`). Which are zero is
 * a function of the key and of the indices in the whole tensor, of which this is a part.
 *
 * @returns `outer` · `run` float32s
 */
export function dropoutMask(
  { outer, run, stride, start }: PartLayout,
  key: RandomKey,
  rate: number,
): Float32Array {
  const threshold = Math.round(rate * 2 ** 32);
  const mask = new Float32Array(outer * run);
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < run; i++)
      if (randomBits(key, o * stride + start + i) >= threshold) mask[o * run + i] = 1 / (1 - rate);
  return mask;
}
