/** What a call brings, checked and laid out for the graph, with transformers' defaults. */
import type { HostTensor } from '../engine/engine.js';
import { InputError } from '../errors.js';
import type { Architecture } from '../model/architecture.js';
import { headCount, headSize, type TransformerConfig } from '../model/config.js';
import { cacheName, type Given } from '../model/inputs.js';
import { givenName, prepareLabels } from './labels.js';
import {
  dimsOf,
  requireDims,
  toFloats,
  toIntegers,
  type Cube,
  type Matrix,
  type NumericInput,
  type Tensor,
  type Vector,
} from './tensors.js';

/** What a decoder's layer keeps of the tokens before: [batch, heads, length, head size] each. */
export interface LayerKeyValues {
  readonly key: Tensor;
  readonly value: Tensor;
  /** Of the encoder's states. */
  readonly cross_key?: Tensor;
  readonly cross_value?: Tensor;
}

/** The inputs that all classes take, [batch, sequence] where nothing else is said. */
export interface BodyInputs<Text = Matrix, Vectors = Cube> {
  /** Token ids; these or `inputs_embeds`. */
  readonly input_ids?: Text;
  /** [batch, sequence, hidden] */
  readonly inputs_embeds?: Vectors;
  /** 1 for a token, 0 for padding; [batch, sequence, keys] says what each token sees. All ones by default. */
  readonly attention_mask?: Text | Vectors;
  /** All zeros by default; GPT-2 has none. */
  readonly token_type_ids?: Text;
  /** 0, 1, 2 … by default, after those of a cache. */
  readonly position_ids?: Text;
  /** [heads] or [layers, heads]: 0 drops a head. */
  readonly head_mask?: Vector | Matrix;
  /** [batch, encoder sequence, hidden], for a decoder with cross-attention. */
  readonly encoder_hidden_states?: Vectors;
  /** [batch, encoder sequence], all ones by default. */
  readonly encoder_attention_mask?: Text | Vectors;
  /** A decoder's earlier `past_key_values`. */
  readonly past_key_values?: readonly LayerKeyValues[];
}

/** Everything that some class takes. */
export type AnyInputs = Readonly<Record<string, unknown>> & BodyInputs<NumericInput, NumericInput>;

export interface PreparedInputs {
  readonly tensors: Readonly<Record<string, HostTensor>>;
  readonly given: Given;
}

/** Of a call. */
export interface Sizes {
  readonly leading: readonly number[];
  readonly sequence: number;
  readonly past: number;
}

/** @throws InputError naming the input, what was expected and what was found */
export function prepareInputs(
  architecture: Architecture,
  config: TransformerConfig,
  inputs: AnyInputs,
): PreparedInputs {
  const labels = architecture.labels(config);
  const known = new Set([
    'prediction_positions',
    ...bodyInputNames.filter((name) => name !== 'token_type_ids' || hasTokenTypes(config)),
    ...Object.keys(labels).map(givenName),
  ]);
  for (const [name, value] of Object.entries(inputs))
    if (!known.has(name) && value !== undefined)
      throw new InputError(`${name}: this class takes no such input, but ${[...known].join(', ')}`);
  const sizes = sizesOf(inputs, architecture, config);
  const encoder = encoderInputs(inputs, sizes, config);
  const tensors: Record<string, HostTensor> = {
    ...textTensors(inputs, sizes, config),
    ...cacheTensors(inputs, sizes, config),
    ...encoder,
    ...distanceTensors(sizes, encoder.encoder_hidden_states?.dims[1], config),
    ...prepareLabels(labels, inputs, sizes),
  };
  if (architecture.readsLastToken) tensors.last_positions = lastRows(tensors, sizes, config);
  if (inputs.head_mask) tensors.head_mask = headMask(inputs.head_mask, config);
  if (inputs.prediction_positions)
    tensors.prediction_positions = predictionRows(inputs.prediction_positions as NumericInput, sizes);
  const withQueries = ['attention_mask', 'encoder_attention_mask'].filter(
    (name) => tensors[name] && tensors[name].dims.length > sizes.leading.length + 1,
  );
  return {
    tensors,
    given: { names: new Set(Object.keys(tensors)), queryMasks: new Set(withQueries) },
  };
}

const bodyInputNames = [
  'input_ids',
  'inputs_embeds',
  'attention_mask',
  'token_type_ids',
  'position_ids',
  'head_mask',
  'encoder_hidden_states',
  'encoder_attention_mask',
  'past_key_values',
];

/** Whether the model tells a text's segments apart. */
export const hasTokenTypes = ({ type_vocab_size }: TransformerConfig) => type_vocab_size > 0;

function sizesOf(inputs: AnyInputs, { leading }: Architecture, config: TransformerConfig): Sizes {
  const { input_ids, inputs_embeds, past_key_values } = inputs;
  const [name, text] = input_ids
    ? (['input_ids', input_ids] as const)
    : (['inputs_embeds', inputs_embeds] as const);
  if (!text || (input_ids && inputs_embeds))
    throw new InputError(`expected input_ids or inputs_embeds, found ${text ? 'both' : 'neither'}`);
  const expected = [...leading, 'sequence', ...(input_ids ? [] : [config.hidden_size])];
  const dims = dimsOf(name, text);
  if (
    dims.length !== expected.length ||
    dims.includes(0) ||
    (!input_ids && dims.at(-1) !== config.hidden_size)
  )
    throw new InputError(`${name}: expected [${expected.join(', ')}], found [${dims.join(', ')}]`);
  const sequence = dims[leading.length]!;
  const past = past_key_values?.[0]?.key.dims[2] ?? 0;
  const most = config.max_position_embeddings;
  if (past + sequence > most)
    throw new InputError(
      `${name}: expected at most ${most} tokens (max_position_embeddings), found ${past + sequence}`,
    );
  return { leading: dims.slice(0, leading.length), sequence, past };
}

function textTensors(
  inputs: AnyInputs,
  { leading, sequence, past }: Sizes,
  config: TransformerConfig,
): Record<string, HostTensor> {
  const text = [...leading, sequence];
  const keys = past + sequence;
  const filled = (dims: readonly number[], value: (i: number) => number): HostTensor => ({
    dims,
    data: Int32Array.from({ length: dims.reduce((a, b) => a * b) }, (_, i) => value(i)),
  });
  const integers = (name: keyof BodyInputs, below: number, missing: (place: number) => number) => {
    const given = inputs[name] as NumericInput | undefined;
    if (!given) return filled(text, (i) => missing(i % sequence));
    return requireDims(name, toIntegers(name, given, { below }), text);
  };
  return {
    ...(inputs.input_ids
      ? { input_ids: integers('input_ids', config.vocab_size, () => 0) }
      : { inputs_embeds: toFloats('inputs_embeds', inputs.inputs_embeds!) }),
    ...(hasTokenTypes(config) && {
      token_type_ids: integers('token_type_ids', config.type_vocab_size, () => 0),
    }),
    position_ids: integers('position_ids', config.max_position_embeddings, (place) => past + place),
    attention_mask: inputs.attention_mask
      ? requireDims(
          'attention_mask',
          toIntegers('attention_mask', inputs.attention_mask, { below: 2 }),
          [...leading, keys],
          [...leading, sequence, keys],
        )
      : filled([...leading, keys], () => 1),
  };
}

function cacheTensors(
  { past_key_values }: AnyInputs,
  { leading, past }: Sizes,
  config: TransformerConfig,
): Record<string, HostTensor> {
  if (!past_key_values) return {};
  if (past_key_values.length !== config.num_hidden_layers)
    throw new InputError(
      `past_key_values: expected ${config.num_hidden_layers} layers, found ${past_key_values.length}`,
    );
  const expected = (layer: number) => [...leading, headCount(config, layer), past, headSize(config)];
  return Object.fromEntries(
    past_key_values.flatMap(({ key, value, cross_key, cross_value }, layer): [string, HostTensor][] => [
      [cacheName(layer, 'key'), requireDims('past_key_values', key, expected(layer))],
      [cacheName(layer, 'value'), requireDims('past_key_values', value, expected(layer))],
      ...(cross_key ? [[cacheName(layer, 'cross_key'), cross_key] as [string, HostTensor]] : []),
      ...(cross_value ? [[cacheName(layer, 'cross_value'), cross_value] as [string, HostTensor]] : []),
    ]),
  );
}

function encoderInputs(
  inputs: AnyInputs,
  { leading, sequence }: Sizes,
  config: TransformerConfig,
): Record<string, HostTensor> {
  if (!inputs.encoder_hidden_states) return {};
  if (!config.add_cross_attention)
    throw new InputError('encoder_hidden_states: this model has no cross-attention (add_cross_attention)');
  const states = toFloats('encoder_hidden_states', inputs.encoder_hidden_states);
  const length = states.dims[1]!;
  requireDims('encoder_hidden_states', states, [...leading, length, config.hidden_size]);
  const mask: HostTensor = inputs.encoder_attention_mask
    ? requireDims(
        'encoder_attention_mask',
        toIntegers('encoder_attention_mask', inputs.encoder_attention_mask, { below: 2 }),
        [...leading, length],
        [...leading, sequence, length],
      )
    : { dims: [...leading, length], data: new Int32Array(leading[0]! * length).fill(1) };
  return { encoder_hidden_states: states, encoder_attention_mask: mask };
}

/** For causal masks and relative positions. */
function distanceTensors(
  { sequence, past }: Sizes,
  encoderLength: number | undefined,
  { is_decoder, position_embedding_type }: TransformerConfig,
): Record<string, HostTensor> {
  const isRelative = position_embedding_type !== 'absolute';
  const distances = (keys: number): HostTensor => ({
    dims: [sequence, keys],
    data: Int32Array.from({ length: sequence * keys }, (_, i) => past + Math.floor(i / keys) - (i % keys)),
  });
  return {
    ...((is_decoder || isRelative) && { distances: distances(past + sequence) }),
    ...(isRelative && encoderLength !== undefined && { encoder_distances: distances(encoderLength) }),
  };
}

/** [heads] or [layers, heads] → [layers, heads] */
function headMask(
  given: NumericInput,
  { num_hidden_layers: layers, num_attention_heads: heads }: TransformerConfig,
): HostTensor {
  const { dims, data } = requireDims('head_mask', toFloats('head_mask', given), [heads], [layers, heads]);
  const row = [...data];
  return {
    dims: [layers, heads],
    data: dims.length > 1 ? data : Float32Array.from(new Array<number[]>(layers).fill(row).flat()),
  };
}

/** Positions in each text, [batch, count] → rows of all texts. */
function predictionRows(given: NumericInput, { leading, sequence }: Sizes): HostTensor {
  const { dims, data } = toIntegers('prediction_positions', given, { below: sequence });
  const count = dims[1] ?? 0;
  requireDims('prediction_positions', { dims, data }, [leading[0]!, count]);
  return { dims, data: (data as Int32Array).map((place, i) => Math.floor(i / count) * sequence + place) };
}

/** The last token of each text that is no padding, as rows of all texts. */
function lastRows(
  { input_ids, attention_mask }: Readonly<Record<string, HostTensor>>,
  { leading, sequence, past }: Sizes,
  { pad_token_id }: TransformerConfig,
): HostTensor {
  const [texts] = leading as [number];
  const isToken = (text: number, place: number) =>
    attention_mask!.data[text * (past + sequence) + past + place] === 1 &&
    input_ids?.data[text * sequence + place] !== pad_token_id;
  const places = Array.from({ length: sequence }, (_, place) => place);
  const lastOf = (text: number) => places.findLast((place) => isToken(text, place)) ?? 0;
  return { dims: [texts], data: Int32Array.from({ length: texts }, (_, i) => i * sequence + lastOf(i)) };
}
