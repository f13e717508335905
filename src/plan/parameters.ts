/** Parameters of each rank, counted from the declarations that models are trained with. */
import type { Block } from '../model/blocks.js';
import { pretrainingBlocks } from '../model/blocks.js';
import { checkTensorParallel } from '../model/config.js';
import { gpt2Blocks } from '../model/gpt2-blocks.js';
import { parameterCount } from '../model/initial-values.js';
import { flattenParameters, partShape, type Parameter } from '../model/parameters.js';
import type { PlannedModel } from './model-sizes.js';
import { paddedFor } from './model-sizes.js';

/** Of one tensor-parallel rank: its parts of what is split, and all of what is not. */
export interface BlockParameters {
  readonly embeddings: number;
  readonly layer: number;
  readonly heads: number;
  /** Of the heads, what the embeddings have too: one tensor where both are on one rank, else a copy. */
  readonly tied: number;
  /** Parameter tensors of a layer; the rest of the model has a few. */
  readonly layerTensors: number;
}

/** @throws InputError naming the size that cannot be split over the ranks */
export function blockParameters(model: PlannedModel, tensor: number): BlockParameters {
  const config = { ...paddedFor(model, tensor), num_hidden_layers: 1 };
  checkTensorParallel(config, tensor);
  const blocks =
    model.architecture === 'bert' ? pretrainingBlocks(config, { predictionCount: 1 }) : gpt2Blocks(config);
  const [embeddings, layer, heads] = blocks.map(parametersOf) as [Named, Named, Named];
  const tied = heads.filter(([name]) => embeddings.some(([other]) => other === name));
  const count = (parameters: Named) =>
    parameterCount(parameters.map(([, parameter]) => ({ shape: partShape(parameter, tensor) })));
  return {
    ...{ embeddings: count(embeddings), layer: count(layer), heads: count(heads), tied: count(tied) },
    layerTensors: layer.length,
  };
}

type Named = readonly (readonly [name: string, parameter: Parameter])[];
const parametersOf = ({ parameters, prefix }: Block): Named => flattenParameters(parameters, prefix);

/** Of the whole model, every parameter once. */
export function modelParameters(model: PlannedModel): number {
  const { embeddings, layer, heads, tied } = blockParameters(model, 1);
  return embeddings + model.config.num_hidden_layers * layer + heads - tied;
}

/** Of a rank that has so many layers, and the embeddings or the heads or both. */
export function rankParameters(
  { embeddings, layer, heads, tied }: BlockParameters,
  { layers, isFirst, isLast }: StageContent,
): number {
  return layers * layer + (isFirst ? embeddings : 0) + (isLast ? heads : 0) - (isFirst && isLast ? tied : 0);
}

export interface StageContent {
  readonly layers: number;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}
