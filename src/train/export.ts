import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { writeSafetensors } from '../checkpoint/safetensors.js';
import type { Engine } from '../engine/engine.js';
import { sizeOf } from '../graph/value.js';
import type { Communicator } from '../parallel/communicator.js';
import { layoutOf, placePart } from '../partition.js';
import type { OwnParameter, OwnParameters } from './parameters.js';

/** A parameter as a whole, from the parts that the ranks hold; the ranks call this together. */
export async function gatherParameter(
  engine: Engine,
  { declaration, value }: OwnParameter,
  communicator: Communicator,
): Promise<Float32Array> {
  const part = (await engine.read(value)) as Float32Array;
  const { shape, partition } = declaration;
  if (partition === undefined || communicator.size === 1) return part;
  const parts = new Float32Array(sizeOf(shape));
  await communicator.allGather(part, parts);
  const whole = new Float32Array(parts.length);
  for (let rank = 0; rank < communicator.size; rank++)
    placePart(
      parts.subarray(rank * part.length, (rank + 1) * part.length),
      layoutOf(declaration, communicator.size, rank),
      whole,
    );
  return whole;
}

/**
 * Writes `model.safetensors` with transformers' names, one parameter in memory at a time. Every rank calls
 * this; the first one writes.
 */
export async function writeWeights(
  folder: string,
  engine: Engine,
  parameters: OwnParameters,
  communicator: Communicator,
): Promise<void> {
  if (communicator.rank === 0) {
    await mkdir(folder, { recursive: true });
    const tensors = [...parameters].map(([name, parameter]) => ({
      name,
      dtype: 'F32' as const,
      shape: parameter.declaration.shape,
      data: () => gatherParameter(engine, parameter, communicator),
    }));
    await writeSafetensors(path.join(folder, 'model.safetensors'), tensors);
  } else for (const parameter of parameters.values()) await gatherParameter(engine, parameter, communicator);
}
