/** A rank's state, copied so that another thread can write it to disk while the rank goes on. */
import type { ParameterState } from '../checkpoint/training/write.js';
import type { Engine } from '../engine/engine.js';
import { sizeOf } from '../graph/value.js';
import type { OwnParameters } from './parameters.js';

/** Plain data, whose memory is shared. */
export interface Snapshot {
  /** One integer: 0 while nobody reads `values`. */
  readonly state: SharedArrayBuffer;
  /** Of each parameter its value and moments, one after the other. */
  readonly values: SharedArrayBuffer;
  readonly parameters: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** Names of each one's moments. */
  readonly moments: readonly string[];
}

const free = 0;
const taken = 1;

/** @param moments names of each parameter's, in their order */
export function createSnapshot(parameters: OwnParameters, moments: readonly string[]): Snapshot {
  const described = [...parameters].map(([name, { value }]) => ({ name, shape: value.shape }));
  const length = described.reduce((sum, { shape }) => sum + (1 + moments.length) * sizeOf(shape), 0);
  return {
    state: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
    values: new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT),
    parameters: described,
    moments,
  };
}

/** Copies the parameters; waits first until the copy before is on disk. */
export async function takeSnapshot(
  engine: Engine,
  parameters: OwnParameters,
  { state, values }: Snapshot,
): Promise<void> {
  const flag = new Int32Array(state);
  Atomics.wait(flag, 0, taken);
  Atomics.store(flag, 0, taken);
  let offset = 0;
  for (const { value, moments } of parameters.values())
    for (const buffer of [value, ...moments]) {
      const numbers = (await engine.read(buffer)) as Float32Array;
      new Float32Array(values, offset, numbers.length).set(numbers);
      offset += numbers.byteLength;
    }
}

/** What a snapshot holds, without a copy. */
export function statesOf({ values, parameters, moments }: Snapshot): ParameterState[] {
  let offset = 0;
  const next = (shape: readonly number[]) => {
    const numbers = new Float32Array(values, offset, sizeOf(shape));
    offset += numbers.byteLength;
    return numbers;
  };
  return parameters.map(({ name, shape }) => ({
    name,
    shape,
    value: next(shape),
    moments: Object.fromEntries(moments.map((moment) => [moment, next(shape)])),
  }));
}

/** Lets the rank take the next one. */
export function releaseSnapshot({ state }: Snapshot): void {
  const flag = new Int32Array(state);
  Atomics.store(flag, 0, free);
  Atomics.notify(flag, 0);
}
