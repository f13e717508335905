/** A whole model by Megatron-LM's names, whatever it was read from: the middle of every conversion. */
import { InputError } from '../../errors.js';
import type { SafetensorsDtype } from '../safetensors-header.js';
import {
  finalNormNames,
  headNames,
  layerNames,
  positionEmbeddings,
  tokenTypeEmbeddings,
  wordEmbeddings,
  type MegatronName,
} from './names.js';
import type { TrainingState } from './training-state.js';

export type FloatDtype = Extract<SafetensorsDtype, 'F32' | 'F16' | 'BF16'>;

export const isFloat = (dtype: string): dtype is FloatDtype => ['F32', 'F16', 'BF16'].includes(dtype);

/** A parameter of the whole model, read when it is asked for. */
export interface WholeTensor {
  readonly dtype: FloatDtype;
  readonly shape: readonly number[];
  /** Row-major, little-endian; queries, keys and values one after the other. Not to be written into. */
  readonly read: () => Promise<Uint8Array>;
  /** Where it starts in its file: reading in this order goes forwards. */
  readonly position: number;
}

export interface ModelSizes {
  readonly layers: number;
  readonly hiddenSize: number;
  readonly heads: number;
  readonly ffnHiddenSize: number;
  readonly positions: number;
  /** Rows of the word embeddings. */
  readonly vocabulary: number;
}

/** Megatron-LM's command line, by its names. */
export type MegatronArguments = ReadonlyMap<string, unknown>;

export interface WholeModel {
  readonly kind: 'bert' | 'gpt2';
  readonly sizes: ModelSizes;
  /** As far as they are known. */
  readonly arguments: MegatronArguments;
  readonly iteration: number | 'release';
  readonly tensors: ReadonlyMap<MegatronName, WholeTensor>;
  readonly training?: TrainingState;
}

/** GPT-2 has neither sentence pairs nor heads. */
export const isSpecificToBert = (name: MegatronName) =>
  name === tokenTypeEmbeddings || headNames.includes(name);

/** Parameters that every model has. */
const requiredNames = (layers: number): MegatronName[] => [
  wordEmbeddings,
  positionEmbeddings,
  ...Array.from({ length: layers }, (_, layer) => layerNames(layer)).flat(),
  ...finalNormNames,
];

/** The sizes that the shapes tell. @throws InputError where one is missing or does not fit the others */
export function sizesOf(
  tensors: ReadonlyMap<MegatronName, Pick<WholeTensor, 'shape'>>,
  layers: number,
  heads: number,
  source: string,
): ModelSizes {
  const missing = requiredNames(layers).filter((name) => !tensors.has(name));
  if (missing.length > 0)
    throw new InputError(
      `${source}: expected BERT or GPT-2, which have ${missing.slice(0, 3).join(', ')}${missing.length > 3 ? ' …' : ''}`,
    );
  const [vocabulary, hiddenSize] = tensors.get(wordEmbeddings)!.shape as [number, number];
  const sizes: ModelSizes = {
    layers,
    hiddenSize,
    heads,
    ffnHiddenSize: layers === 0 ? 0 : tensors.get('encoder.layers.0.mlp.dense_h_to_4h.bias')!.shape[0]!,
    positions: tensors.get(positionEmbeddings)!.shape[0]!,
    vocabulary,
  };
  for (const [name, size] of Object.entries(sizes))
    if (!(size >= 1)) throw new InputError(`${source}: ${name}: expected at least 1, found ${size}`);
  if (hiddenSize % heads !== 0)
    throw new InputError(
      `${source}: ${hiddenSize} hidden units are not divisible by ${heads} attention heads`,
    );
  for (const [name, { shape }] of tensors) {
    const expected = expectedShape(name, sizes);
    if (
      expected.length !== shape.length ||
      expected.some((size, i) => size !== undefined && size !== shape[i])
    )
      throw new InputError(
        `${source}: ${name}: expected [${expected.map((size) => size ?? 'any').join(', ')}], found [${shape.join(', ')}]`,
      );
  }
  return sizes;
}

/** Undefined for a size that only this parameter tells. */
function expectedShape(
  name: MegatronName,
  { hiddenSize: h, ffnHiddenSize, positions, vocabulary }: ModelSizes,
): readonly (number | undefined)[] {
  const module = name.replace(/\.(weight|bias)$/, '').replace(/^encoder\.layers\.\d+\./, '');
  const isBias = name.endsWith('.bias');
  const linear = (outputs: number | undefined, inputs: number) => (isBias ? [outputs] : [outputs, inputs]);
  if (module === 'embedding.word_embeddings') return [vocabulary, h];
  if (module === 'embedding.position_embeddings') return [positions, h];
  if (module === 'embedding.tokentype_embeddings') return [undefined, h];
  if (module.endsWith('layernorm')) return [h];
  if (module === 'self_attention.query_key_value') return linear(3 * h, h);
  if (module === 'mlp.dense_h_to_4h') return linear(ffnHiddenSize, h);
  if (module === 'mlp.dense_4h_to_h') return linear(h, ffnHiddenSize);
  if (module === 'lm_head') return [vocabulary];
  if (module === 'binary_head') return linear(2, h);
  if (module === 'classification_head') return linear(undefined, h);
  if (module === 'multichoice_head') return linear(1, h);
  return linear(h, h);
}
