/** A rank's state, copied so that another thread can write it to disk while the rank goes on. */
import type { PartPlace } from '../checkpoint/training/manifest.js';
import type { PartState } from '../checkpoint/training/write.js';
import type { Engine } from '../engine/engine.js';
import { sizeOf } from '../graph/value.js';
import type { OwnParameters } from './parameters.js';

/** Plain data, whose memory is shared. */
export interface Snapshot {
  readonly place: PartPlace;
  /** One integer: 0 while nobody reads `values`. */
  readonly state: SharedArrayBuffer;
  /** Of each parameter its value, where this rank is the one to tell it, and moments, one after the other. */
  readonly values: SharedArrayBuffer;
  readonly parameters: readonly DescribedParameter[];
  /** Names of each one's moments. */
  readonly moments: readonly string[];
}

interface DescribedParameter {
  readonly name: string;
  readonly shape: readonly number[];
  /** The numbers whose moments this rank keeps. */
  readonly start: number;
  readonly updated: number;
}

const free = 0;
const taken = 1;

/** Whether the rank's values are in the snapshot: those of one are enough, where several have the same. */
const hasValues = ({ share }: PartPlace) => share === 0;

/** @param moments names of each parameter's, in their order */
export function createSnapshot(
  parameters: OwnParameters,
  moments: readonly string[],
  place: PartPlace,
): Snapshot {
  const described = [...parameters].map(([name, { value, updated }]) => ({
    ...{ name, shape: value.shape, start: updated?.start ?? 0 },
    updated: updated ? sizeOf(updated.value.shape) : 0,
  }));
  const length = described.reduce(
    (sum, { shape, updated }) => sum + (hasValues(place) ? sizeOf(shape) : 0) + moments.length * updated,
    0,
  );
  return {
    place,
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
  { place, state, values }: Snapshot,
): Promise<void> {
  const flag = new Int32Array(state);
  Atomics.wait(flag, 0, taken);
  Atomics.store(flag, 0, taken);
  let offset = 0;
  for (const { value, updated } of parameters.values())
    for (const buffer of [...(hasValues(place) ? [value] : []), ...(updated?.moments ?? [])]) {
      const numbers = (await engine.read(buffer)) as Float32Array;
      new Float32Array(values, offset, numbers.length).set(numbers);
      offset += numbers.byteLength;
    }
}

/** What a snapshot holds, without a copy. */
export function stateOf({ place, values, parameters, moments }: Snapshot): PartState {
  let offset = 0;
  const next = (length: number) => {
    const numbers = new Float32Array(values, offset, length);
    offset += numbers.byteLength;
    return numbers;
  };
  return {
    place,
    parameters: parameters.map(({ name, shape, start, updated }) => ({
      ...{ name, shape, start },
      ...(hasValues(place) && { value: next(sizeOf(shape)) }),
      moments: Object.fromEntries(moments.map((moment) => [moment, next(updated)])),
    })),
  };
}

/** Lets the rank take the next one. */
export function releaseSnapshot({ state }: Snapshot): void {
  const flag = new Int32Array(state);
  Atomics.store(flag, 0, free);
  Atomics.notify(flag, 0);
}
