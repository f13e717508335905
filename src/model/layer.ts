import { add, layerNorm } from '../graph/functions.js';
import type { Dimension } from '../graph/dimension.js';
import type { Value } from '../graph/value.js';
import { activations } from './activations.js';
import {
  attention,
  attentionParameters,
  extend,
  keyValue,
  projections,
  type AttentionContext,
  type AttentionValues,
  type KeyValue,
  type SelfValues,
} from './attention.js';
import type { TransformerConfig } from './config.js';
import {
  columnParallelParameters,
  layerNormParameters,
  rowParallelParameters,
  type LayerNormValues,
} from './parameters.js';
import { dropout, rowsAxis, type Run } from './run.js';
import {
  appliedToRows,
  copyToTensorParallel,
  enterTensorParallel,
  linear,
  rowParallelLinear,
  type LinearValues,
} from './tensor-parallel.js';

/** What adds to the residual stream starts smaller the deeper the model is (Megatron-LM's scaled init). */
export const scaledDeviation = ({ initializer_range, num_hidden_layers }: TransformerConfig) =>
  initializer_range / Math.sqrt(2 * num_hidden_layers);

export function layerParameters(config: TransformerConfig, layer: number) {
  const { hidden_size, intermediate_size, initializer_range } = config;
  const scaled = scaledDeviation(config);
  return {
    attention: attentionParameters(config, layer, scaled),
    ...(config.add_cross_attention && { crossattention: attentionParameters(config, layer, scaled) }),
    ln: layerNormParameters(hidden_size),
    intermediate: { dense: columnParallelParameters(intermediate_size, hidden_size, initializer_range) },
    output: { dense: rowParallelParameters(hidden_size, intermediate_size, scaled) },
  };
}

/** What a layer is computed from, by MegatronBERT's names. */
export interface LayerValues {
  readonly attention: AttentionValues;
  readonly crossattention?: AttentionValues<SelfValues>;
  readonly ln: LayerNormValues;
  readonly intermediate: { readonly dense: LinearValues };
  readonly output: { readonly dense: LinearValues };
}

export const norm = (x: Value, { weight, bias }: LayerNormValues, { layer_norm_eps }: TransformerConfig) =>
  layerNorm(x, weight, bias, layer_norm_eps);

/** Of what is between the split matrices. */
export const normOfRows = (
  x: Value,
  { weight, bias }: LayerNormValues,
  config: TransformerConfig,
  { tensor }: Run,
) => norm(x, { weight: appliedToRows(weight, tensor), bias: appliedToRows(bias, tensor) }, config);

/** What a decoder's layer kept of earlier tokens and of the encoder. */
export interface LayerCache {
  readonly self?: KeyValue | undefined;
  readonly cross?: KeyValue | undefined;
}

/** The encoder's last hidden states, [batch · length, hidden]. */
export interface EncoderContext extends AttentionContext {
  readonly hidden: Value;
  readonly length: Dimension;
}

/** Some rows of [batch · sequence, …], `count` of each sequence. */
export interface Selection {
  readonly count: Dimension;
  readonly take: (rows: Value) => Value;
}

export interface LayerContext extends AttentionContext {
  readonly encoder?: EncoderContext | undefined;
  readonly past?: LayerCache | undefined;
  /** The rows to compute; all without it. */
  readonly selection?: Selection | undefined;
}

export interface LayerOutputs {
  /** [batch · sequence, hidden], or the selected rows of it */
  readonly hidden: Value;
  /** [batch, heads, sequence, keys] */
  readonly attentions: Value;
  readonly crossAttentions?: Value | undefined;
  readonly cache: LayerCache;
}

/**
 * A pre-LN transformer layer.
 *
 * @param x [batch · sequence, hidden]
 */
export function transformerLayer(
  x: Value,
  layer: LayerValues,
  context: LayerContext,
  config: TransformerConfig,
  run: Run,
): LayerOutputs {
  const { past, encoder, selection } = context;
  const rate = config.hidden_dropout_prob;
  const select = selection?.take ?? ((rows: Value) => rows);
  const length = selection?.count ?? run.sequenceLength;

  const input = enterTensorParallel(normOfRows(x, layer.attention.ln, config, run), run.tensor);
  const { query, ...projected } = projections(input, layer.attention.self, select);
  const self = extend(past?.self, keyValue(projected, run.sequenceLength, config, run));
  const own = attention(query, length, self, context, layer.attention, config, run, 'attention');
  const attended = add(select(x), dropout(own.output, rate, 'attention.output', run, rowsAxis(run)));

  const cross = encoder && crossAttention(attended, length, layer, encoder, past?.cross, config, run);
  const middle = cross ? add(attended, dropout(cross.output, rate, 'crossattention.output', run)) : attended;
  return {
    hidden: add(
      middle,
      dropout(
        mlp(normOfRows(middle, layer.ln, config, run), layer, config, run),
        rate,
        'output',
        run,
        rowsAxis(run),
      ),
    ),
    attentions: own.probabilities,
    crossAttentions: cross?.probabilities,
    cache: { self, cross: cross?.encoded },
  };
}

function crossAttention(
  x: Value,
  length: Dimension,
  { crossattention }: LayerValues,
  encoder: EncoderContext,
  past: KeyValue | undefined,
  config: TransformerConfig,
  run: Run,
) {
  if (!crossattention) throw new Error('a model without add_cross_attention has no use for encoder states');
  const { query, key, value } = crossattention.self;
  const hidden = copyToTensorParallel(encoder.hidden, run.tensor);
  const projected = { key: linear(hidden, key), value: linear(hidden, value) };
  const encoded = past ?? keyValue(projected, encoder.length, config, run);
  const queries = linear(copyToTensorParallel(norm(x, crossattention.ln, config), run.tensor), query);
  return {
    ...attention(queries, length, encoded, encoder, crossattention, config, run, 'crossattention'),
    encoded,
  };
}

/** The first matrix is split by columns (f before it), the second by rows (g after it). */
function mlp(x: Value, layer: LayerValues, { hidden_act }: TransformerConfig, { tensor }: Run): Value {
  const hidden = linear(enterTensorParallel(x, tensor), layer.intermediate.dense);
  return rowParallelLinear(activations[hidden_act](hidden), layer.output.dense, tensor);
}
