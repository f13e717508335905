import { multiplyDimensions, type Dimension } from '../graph/dimension.js';
import { gather, input, reshape } from '../graph/functions.js';
import { sizeOf, type DType, type Shape, type Value } from '../graph/value.js';
import type { BodyInputs } from './body.js';
import { headCount, headSize, type TransformerConfig } from './config.js';
import type { KeyValue } from './attention.js';
import type { LayerCache, Selection } from './layer.js';
import type { Run } from './run.js';

export interface InputType {
  readonly shape: Shape;
  readonly dtype: DType;
}

const int32 = (...shape: Dimension[]): InputType => ({ shape, dtype: 'int32' });
const float32 = (...shape: Dimension[]): InputType => ({ shape, dtype: 'float32' });

/** What a loss is computed from. */
export interface LabelType extends InputType {
  /** Of integers: how many there are to choose from. */
  readonly classes?: Dimension;
}

/** What a call brings besides its text, on which the graph depends. */
export interface Given {
  /** The names of all inputs that are given. */
  readonly names: ReadonlySet<string>;
  /** Where a mask has an axis of queries. */
  readonly queryMasks: ReadonlySet<string>;
}

/** A call's text may have axes of its own before the sequence: examples and choices. */
export type Leading = readonly [Dimension, ...Dimension[]];

/** The types of the inputs that every class can take, by name. */
export function bodyInputTypes(
  { names, queryMasks }: Given,
  leading: Leading,
  config: TransformerConfig,
): Record<string, InputType> {
  const { num_hidden_layers: layers, num_attention_heads: heads, hidden_size } = config;
  const keys = names.has(cacheName(0, 'key')) ? 'past+sequence' : 'sequence';
  const text = int32(...leading, 'sequence');
  const ofLayers = (part: CachePart, length: Dimension) =>
    Object.fromEntries(
      Array.from({ length: layers }, (_, i) => [
        cacheName(i, part),
        float32(...leading, headCount(config, i), length, headSize(config)),
      ]),
    );
  const queries = (name: string) => (queryMasks.has(name) ? ['sequence'] : []);
  return {
    input_ids: text,
    inputs_embeds: float32(...leading, 'sequence', hidden_size),
    token_type_ids: text,
    position_ids: text,
    attention_mask: int32(...leading, ...queries('attention_mask'), keys),
    head_mask: float32(layers, heads),
    distances: int32('sequence', keys),
    encoder_hidden_states: float32(...leading, 'encoder_sequence', hidden_size),
    encoder_attention_mask: int32(...leading, ...queries('encoder_attention_mask'), 'encoder_sequence'),
    encoder_distances: int32('sequence', 'encoder_sequence'),
    prediction_positions: int32(...leading, 'predictions'),
    last_positions: int32(...leading),
    ...ofLayers('key', 'past'),
    ...ofLayers('value', 'past'),
    ...ofLayers('cross_key', 'encoder_sequence'),
    ...ofLayers('cross_value', 'encoder_sequence'),
  };
}

export type CachePart = 'key' | 'value' | 'cross_key' | 'cross_value';

/** What a layer keeps for the next tokens, as inputs and as outputs. */
export const cacheName = (layer: number, part: CachePart) => `past_key_values.${layer}.${part}`;

/** The inputs that are given, as the body takes them: axes before the sequence are one. */
export function bodyInputs(
  values: Readonly<Record<string, Value>>,
  leading: Leading,
  config: TransformerConfig,
): BodyInputs {
  const merged = (name: string): Value | undefined => {
    const value = values[name];
    if (!value || leading.length === 1) return value;
    const rest = value.shape.slice(leading.length);
    return reshape(value, [sizeOf(value.shape.slice(0, leading.length)), ...rest]);
  };
  const cached = (layer: number, key: CachePart, value: CachePart): KeyValue | undefined => {
    const [keys, contents] = [values[cacheName(layer, key)], values[cacheName(layer, value)]];
    return keys && contents && { key: keys, value: contents };
  };
  const caches = Array.from({ length: config.num_hidden_layers }, (_, i): LayerCache => ({
    self: cached(i, 'key', 'value'),
    cross: cached(i, 'cross_key', 'cross_value'),
  }));
  return {
    input_ids: merged('input_ids'),
    inputs_embeds: merged('inputs_embeds'),
    token_type_ids: merged('token_type_ids'),
    position_ids: merged('position_ids')!,
    attention_mask: merged('attention_mask')!,
    head_mask: values.head_mask,
    distances: values.distances,
    encoder_hidden_states: values.encoder_hidden_states,
    encoder_attention_mask: values.encoder_attention_mask,
    encoder_distances: values.encoder_distances,
    past_key_values: caches,
  };
}

/** The inputs of a model's text when it is trained: int32 [batch, sequence] each. */
export function textInputs({ batchSize, sequenceLength }: Run) {
  const text = (name: string) => input(name, [batchSize, sequenceLength], 'int32');
  return {
    input_ids: text('input_ids'),
    token_type_ids: text('token_type_ids'),
    position_ids: text('position_ids'),
    attention_mask: text('attention_mask'),
  };
}

/** @param positions int32 [batch, count]: rows of [batch · sequence, …] */
export function selectionOf(positions: Value): Selection {
  const [batch, count] = positions.shape as [Dimension, Dimension];
  const flat = reshape(positions, [multiplyDimensions(batch, count)]);
  return { count, take: (rows) => gather(rows, flat) };
}
