import { sizeOf } from '../graph/value.js';
import { partLayout, type PartLayout } from '../partition.js';
import { randomKey, randomNormal } from '../random.js';
import type { Parameter } from './parameters.js';

/**
 * What a parameter starts as: a function of the seed, its name and the place in the whole parameter, however that
 * is split.
 *
 * @param layout the part that is wanted; the whole by default
 */
export function initialValues(
  name: string,
  { shape, initial }: Pick<Parameter, 'shape' | 'initial'>,
  seed: number,
  { outer, run, stride, start }: PartLayout = partLayout(shape, undefined, 1, 0),
): Float32Array {
  const data = new Float32Array(outer * run);
  if ('value' in initial) return data.fill(initial.value);
  const key = randomKey(seed, 'initial', name);
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < run; i++)
      data[o * run + i] = initial.standardDeviation * randomNormal(key, o * stride + start + i);
  return data;
}

export const parameterCount = (parameters: Iterable<Pick<Parameter, 'shape'>>) =>
  [...parameters].reduce((sum, { shape }) => sum + sizeOf(shape), 0);
