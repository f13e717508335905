import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { writeSafetensors } from '../checkpoint/safetensors.js';
import type { Buffer, Engine } from '../engine/engine.js';
import { sizeOf } from '../graph/value.js';
import type { Parameter } from '../model/parameters.js';
import type { Communicator } from '../parallel/communicator.js';
import type { Ranks } from '../parallel/ranks.js';
import { layoutOf, placePart } from '../partition.js';
import type { OwnParameter, OwnParameters } from './parameters.js';
import type { StagedParameter } from './stages.js';

/** A parameter, or what is kept of it, as a whole, from the parts that tensor ranks hold; they call this together. */
async function gatherTensor(
  engine: Engine,
  declaration: Parameter,
  own: Buffer,
  tensor: Communicator,
): Promise<Float32Array> {
  const part = (await engine.read(own)) as Float32Array;
  const { shape, partition } = declaration;
  if (partition === undefined || tensor.size === 1) return part;
  const parts = new Float32Array(sizeOf(shape));
  await tensor.allGather(part, parts);
  const whole = new Float32Array(parts.length);
  for (let rank = 0; rank < tensor.size; rank++)
    placePart(
      parts.subarray(rank * part.length, (rank + 1) * part.length),
      layoutOf(declaration, tensor.size, rank),
      whole,
    );
  return whole;
}

/** A tensor of a file: a parameter, or what is kept of it. */
export interface ExportedTensor extends StagedParameter {
  /** In the file; the parameter's by default. */
  readonly storedName?: string;
  /** The parameter's value by default. */
  readonly bufferOf?: (own: OwnParameter) => Buffer;
}

/** The rank that writes files. */
export const isWriter = ({ place }: Pick<Ranks, 'place'>) =>
  place.tensor === 0 && place.pipeline === 0 && place.data === 0;

/**
 * Writes `model.safetensors` with transformers' names.
 *
 * @param declared of the whole model, with the stage that has each
 */
export async function writeWeights(
  folder: string,
  engine: Engine,
  parameters: OwnParameters,
  declared: readonly StagedParameter[],
  ranks: Ranks,
): Promise<void> {
  if (isWriter(ranks)) await mkdir(folder, { recursive: true });
  await writeTensors(path.join(folder, 'model.safetensors'), engine, parameters, declared, ranks);
}

/**
 * Writes a safetensors file, one tensor in memory at a time. Every rank calls this with the same tensors; the first one
 * writes, and the other stages send it what they have.
 */
export async function writeTensors(
  file: string,
  engine: Engine,
  parameters: OwnParameters,
  exported: readonly ExportedTensor[],
  ranks: Ranks,
): Promise<void> {
  const { place, groups } = ranks;
  if (place.data > 0) return;
  const writes = isWriter(ranks);
  const wholeOf = async ({ name, stage, declaration, bufferOf = valueOf }: ExportedTensor) => {
    const whole =
      stage === place.pipeline
        ? await gatherTensor(engine, declaration, bufferOf(parameters.get(name)!), groups.tensor)
        : new Float32Array(writes ? sizeOf(declaration.shape) : 0);
    if (stage === 0 || place.tensor > 0) return whole;
    if (writes) await groups.pipeline.receive(whole, stage);
    else if (stage === place.pipeline) await groups.pipeline.send(whole, 0);
    return whole;
  };
  if (writes) {
    const tensors = exported.map((tensor) => ({
      name: tensor.storedName ?? tensor.name,
      dtype: 'F32' as const,
      shape: tensor.declaration.shape,
      data: () => wholeOf(tensor),
    }));
    await writeSafetensors(file, tensors);
  } else for (const tensor of exported) await wholeOf(tensor);
}

const valueOf = ({ value }: OwnParameter) => value;
