import type { Engine, TrainedParameter } from '../engine/engine.js';
import type { Block } from '../model/blocks.js';
import { initialValues } from '../model/initial-values.js';
import { flattenParameters, partShape, type Parameter } from '../model/parameters.js';
import type { TensorParallel } from '../model/run.js';
import { partLayout, type PartLayout } from '../partition.js';

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

export function allocateParameters(
  engine: Engine,
  blocks: readonly Block[],
  tensor: TensorParallel,
): OwnParameters {
  const own = new Map<string, OwnParameter>();
  for (const [name, declaration] of declaredParameters(blocks)) {
    const type = { shape: partShape(declaration, tensor.size), dtype: 'float32' } as const;
    const [value, gradient, firstMoment, secondMoment] = engine.allocate([type, type, type, type]);
    const layout = partLayout(declaration.shape, declaration.partition, tensor.size, tensor.rank);
    own.set(name, { declaration, layout, value, gradient, firstMoment, secondMoment });
  }
  return own;
}

export async function initializeParameters(
  engine: Engine,
  parameters: OwnParameters,
  seed: number,
): Promise<void> {
  for (const [name, { declaration, layout, value }] of parameters)
    await engine.write(value, initialValues(name, declaration, seed, layout));
}
