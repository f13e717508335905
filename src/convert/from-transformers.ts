/** Model folders of transformers' MegatronBERT and GPT-2 as whole models. */
import { sizesOf, type FloatDtype, type WholeModel, type WholeTensor } from '../checkpoint/megatron/model.js';
import { moduleNames, type MegatronName } from '../checkpoint/megatron/names.js';
import type { FloatWeight } from '../engine/engine.js';
import { InputError } from '../errors.js';
import { storedNames } from '../pretrained/model-weights.js';
import type { StoredWeight, StoredWeights } from '../pretrained/model-source.js';
import { readStored } from '../pretrained/weight-values.js';
import { argumentsFromConfig, type ConfigFields } from './config.js';
import { bertNames, gpt2Name, isTransposed } from './names.js';
import { transposed } from './numbers.js';

/** @throws InputError where the model is of another kind, or something has no place in Megatron-LM */
export function wholeModelOf(config: ConfigFields, stored: StoredWeights, source: string): WholeModel {
  const kind = kindOf(config, source);
  requirePlain(config, source);
  const [layers, heads] =
    kind === 'bert'
      ? [sizeIn(config, 'num_hidden_layers', source), sizeIn(config, 'num_attention_heads', source)]
      : [sizeIn(config, 'n_layer', source), sizeIn(config, 'n_head', source)];
  const tensors = new Map<MegatronName, WholeTensor>();
  for (const name of moduleNames(layers)) {
    if (isOtherClassifier(name, config)) continue;
    const tensor = kind === 'bert' ? bertTensor(name, stored) : gpt2Tensor(name, stored);
    if (tensor) tensors.set(name, tensor);
  }
  return {
    kind,
    sizes: sizesOf(tensors, layers, heads, source),
    arguments: argumentsFromConfig(config, source),
    iteration: 'release',
    tensors,
  };
}

function kindOf({ model_type }: ConfigFields, source: string): WholeModel['kind'] {
  if (model_type === 'megatron-bert') return 'bert';
  if (model_type === 'gpt2') return 'gpt2';
  throw new InputError(
    `${source}: model_type: expected megatron-bert or gpt2, which Megatron-LM has, found ${JSON.stringify(model_type)}`,
  );
}

function requirePlain(config: ConfigFields, source: string): void {
  const position = config.position_embedding_type ?? 'absolute';
  if (position !== 'absolute')
    throw new InputError(`${source}: Megatron-LM has no position embeddings ${JSON.stringify(position)}`);
  if (config.tie_word_embeddings === false)
    throw new InputError(
      `${source}: Megatron-LM's language models share their word embeddings (tie_word_embeddings)`,
    );
  if (config.add_cross_attention === true)
    throw new InputError(`${source}: Megatron-LM's BERT has no cross-attention`);
}

function sizeIn(config: ConfigFields, field: string, source: string): number {
  const value = config[field];
  if (!Number.isSafeInteger(value) || (value as number) < 1 || (value as number) > 10_000)
    throw new InputError(`${source}: ${field}: expected a positive number, found ${JSON.stringify(value)}`);
  return value as number;
}

/** Which of Megatron-LM's heads a classifier is, its class tells. */
function isOtherClassifier(name: MegatronName, { architectures }: ConfigFields): boolean {
  const architecture = String(Array.isArray(architectures) ? architectures[0] : '');
  if (name.startsWith('classification_head.')) return !architecture.endsWith('ForSequenceClassification');
  return name.startsWith('multichoice_head.') && !architecture.endsWith('ForMultipleChoice');
}

function bertTensor(name: MegatronName, stored: StoredWeights): WholeTensor | undefined {
  const parts = bertNames(name).map((part) =>
    storedNames(part)
      .map((candidate) => stored.get(candidate))
      .find((found) => found !== undefined),
  );
  return parts.every((part) => part !== undefined) ? concatenated(name, parts) : undefined;
}

function concatenated(name: MegatronName, parts: readonly StoredWeight[]): WholeTensor {
  const [first] = parts as [StoredWeight];
  const weights = parts.map((part) => floatWeight(name, part));
  const rows = parts.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
  const isWhole = parts.length === 1;
  const read = async () => {
    const bytes: Uint8Array[] = [];
    for (const weight of weights) bytes.push(await readStored(weight));
    return isWhole ? bytes[0]! : Buffer.concat(bytes);
  };
  if (
    parts.some(
      ({ dtype, shape }) => dtype !== first.dtype || shape.slice(1).join() !== first.shape.slice(1).join(),
    )
  )
    throw new InputError(`${first.path}: ${bertNames(name).join(', ')}: expected one type and one width`);
  return {
    dtype: dtypeOf(weights[0]!),
    shape: isWhole ? first.shape : [rows, ...first.shape.slice(1)],
    position: positionOf(weights[0]!),
    read,
  };
}

function gpt2Tensor(name: MegatronName, stored: StoredWeights): WholeTensor | undefined {
  const ours = gpt2Name(name);
  if (ours === undefined) return undefined;
  const found = stored.get(ours) ?? stored.get(ours.replace(/^transformer\./, ''));
  if (!found) return undefined;
  const weight = floatWeight(name, found);
  const dtype = dtypeOf(weight);
  const isTurned = isTransposed(name);
  return {
    dtype,
    shape: isTurned ? [...found.shape].reverse() : found.shape,
    position: positionOf(weight),
    read: async () => {
      const bytes = await readStored(weight);
      return isTurned ? transposed(bytes, found.shape, dtype) : bytes;
    },
  };
}

function floatWeight(name: MegatronName, { weight, dtype, path }: StoredWeight): FloatWeight {
  if (!weight) throw new InputError(`${path}: ${name}: expected F32, F16 or BF16, found ${dtype}`);
  return weight;
}

const dtypes = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' } as const;
const dtypeOf = ({ type }: FloatWeight): FloatDtype => dtypes[type];
const positionOf = (weight: FloatWeight) => ('offset' in weight ? weight.offset : 0);
