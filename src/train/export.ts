import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { writeSafetensors } from '../checkpoint/safetensors.js';
import type { Engine } from '../engine/engine.js';
import { sizeOf } from '../graph/value.js';
import type { Communicator } from '../parallel/communicator.js';
import type { Ranks } from '../parallel/ranks.js';
import { layoutOf, placePart } from '../partition.js';
import type { OwnParameter, OwnParameters } from './parameters.js';
import type { StagedParameter } from './stages.js';

/** A parameter as a whole, from the parts that tensor ranks hold; they call this together. */
async function gatherParameter(
  engine: Engine,
  { declaration, value }: OwnParameter,
  tensor: Communicator,
): Promise<Float32Array> {
  const part = (await engine.read(value)) as Float32Array;
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

/**
 * Writes `model.safetensors` with transformers' names, one parameter in memory at a time. Every rank calls this; the
 * first one writes, and the other stages send it what they have.
 *
 * @param declared of the whole model, with the stage that has each
 */
export async function writeWeights(
  folder: string,
  engine: Engine,
  parameters: OwnParameters,
  declared: readonly StagedParameter[],
  { place, groups }: Ranks,
): Promise<void> {
  if (place.data > 0) return;
  const isWriter = place.tensor === 0 && place.pipeline === 0;
  const wholeOf = async ({ name, stage, declaration }: StagedParameter) => {
    const whole =
      stage === place.pipeline
        ? await gatherParameter(engine, parameters.get(name)!, groups.tensor)
        : new Float32Array(isWriter ? sizeOf(declaration.shape) : 0);
    if (stage === 0 || place.tensor > 0) return whole;
    if (isWriter) await groups.pipeline.receive(whole, stage);
    else if (stage === place.pipeline) await groups.pipeline.send(whole, 0);
    return whole;
  };
  if (isWriter) {
    await mkdir(folder, { recursive: true });
    const tensors = declared.map((parameter) => ({
      name: parameter.name,
      dtype: 'F32' as const,
      shape: parameter.declaration.shape,
      data: () => wholeOf(parameter),
    }));
    await writeSafetensors(path.join(folder, 'model.safetensors'), tensors);
  } else for (const parameter of declared) await wholeOf(parameter);
}
