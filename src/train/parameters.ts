import type { TrainingCheckpoint } from '../checkpoint/training/read.js';
import type { Buffer, Engine, TrainedParameter } from '../engine/engine.js';
import type { Block } from '../model/blocks.js';
import { initialValues } from '../model/initial-values.js';
import { flattenParameters, partShape, type Parameter } from '../model/parameters.js';
import type { TensorParallel } from '../model/run.js';
import { layoutOf, partOf, type PartLayout } from '../partition.js';

/** A parameter of the model as this rank holds it. */
export interface OwnParameter extends TrainedParameter {
  readonly declaration: Parameter;
  readonly layout: PartLayout;
}

/** By state-dict name; a parameter that several blocks use is there once. */
export type OwnParameters = ReadonlyMap<string, OwnParameter>;

/** Every parameter of the blocks by its state-dict name. */
export function declaredParameters(blocks: readonly Block[]): Map<string, Parameter> {
  return new Map(blocks.flatMap(({ parameters, prefix }) => flattenParameters(parameters, prefix)));
}

/** @param momentCount of each parameter, which its optimizer keeps */
export function allocateParameters(
  engine: Engine,
  blocks: readonly Block[],
  tensor: TensorParallel,
  momentCount: number,
): OwnParameters {
  const own = new Map<string, OwnParameter>();
  for (const [name, declaration] of declaredParameters(blocks)) {
    const type = { shape: partShape(declaration, tensor.size), dtype: 'float32' } as const;
    const kept = Array.from({ length: momentCount }, () => type);
    const [value, gradient, ...moments] = engine.allocate([type, type, ...kept]);
    const layout = layoutOf(declaration, tensor.size, tensor.rank);
    own.set(name, { declaration, layout, value, gradient, moments });
  }
  return own;
}

/**
 * Values and moments of a checkpoint, of which this rank takes its part.
 *
 * @param momentNames in the order of each parameter's moments
 * @throws InputError where one is another's
 */
export async function restoreParameters(
  engine: Engine,
  parameters: OwnParameters,
  checkpoint: TrainingCheckpoint,
  momentNames: readonly string[],
): Promise<void> {
  for (const [name, { declaration, layout, value, moments }] of parameters) {
    const whole = await checkpoint.read(name, declaration, momentNames);
    const own = (buffer: Buffer, numbers: Float32Array) => engine.write(buffer, partOf(numbers, layout));
    await own(value, whole.value);
    for (const [i, moment] of momentNames.entries()) await own(moments[i]!, whole.moments[moment]!);
  }
}

export async function initializeParameters(
  engine: Engine,
  parameters: OwnParameters,
  seed: number,
): Promise<void> {
  for (const [name, { declaration, layout, value }] of parameters)
    await engine.write(value, initialValues(name, declaration, seed, layout));
}
