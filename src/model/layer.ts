import { add, gelu, layerNorm, matmul, multiply, reshape, softmax, transpose } from '../graph/functions.js';
import type { Value } from '../graph/value.js';
import type { MegatronBertConfig } from './config.js';
import {
  columnParallelParameters,
  layerNormParameters,
  rowParallelParameters,
  type ValuesOf,
} from './parameters.js';
import { dropout, type Run } from './run.js';
import { copyToTensorParallel, linear, rowParallelLinear } from './tensor-parallel.js';

/** What adds to the residual stream starts smaller the deeper the model is (Megatron-LM's scaled init). */
export function layerParameters(config: MegatronBertConfig) {
  const { hidden_size, intermediate_size, initializer_range, num_hidden_layers } = config;
  const scaled = initializer_range / Math.sqrt(2 * num_hidden_layers);
  const project = () => columnParallelParameters(hidden_size, hidden_size, initializer_range);
  return {
    attention: {
      ln: layerNormParameters(hidden_size),
      self: { query: project(), key: project(), value: project() },
      output: { dense: rowParallelParameters(hidden_size, hidden_size, scaled) },
    },
    ln: layerNormParameters(hidden_size),
    intermediate: { dense: columnParallelParameters(intermediate_size, hidden_size, initializer_range) },
    output: { dense: rowParallelParameters(hidden_size, intermediate_size, scaled) },
  };
}

export type LayerValues = ValuesOf<ReturnType<typeof layerParameters>>;

export const norm = (
  x: Value,
  { weight, bias }: { weight: Value; bias: Value },
  { layer_norm_eps }: MegatronBertConfig,
) => layerNorm(x, weight, bias, layer_norm_eps);

/**
 * A pre-LN transformer layer.
 *
 * @param x [batch · sequence, hidden]
 * @param mask [batch, 1, 1, sequence], added to the scores
 */
export function transformerLayer(
  x: Value,
  mask: Value,
  layer: LayerValues,
  config: MegatronBertConfig,
  run: Run,
): Value {
  const rate = config.hidden_dropout_prob;
  const attended = selfAttention(norm(x, layer.attention.ln, config), mask, layer.attention, config, run);
  const middle = add(x, dropout(attended, rate, 'attention.output', run));
  return add(middle, dropout(mlp(norm(middle, layer.ln, config), layer, run), rate, 'output', run));
}

/** Each rank computes its own heads, from the whole input (f) to its part of the sum (g). */
function selfAttention(
  x: Value,
  mask: Value,
  attention: LayerValues['attention'],
  config: MegatronBertConfig,
  run: Run,
): Value {
  const { batchSize, sequenceLength, tensor } = run;
  const headSize = config.hidden_size / config.num_attention_heads;
  const heads = config.num_attention_heads / tensor.size;
  const input = copyToTensorParallel(x, tensor);
  const split = (y: Value) =>
    transpose(reshape(y, [batchSize, sequenceLength, heads, headSize]), [0, 2, 1, 3]);
  const query = split(linear(input, attention.self.query));
  const key = split(linear(input, attention.self.key));
  const value = split(linear(input, attention.self.value));
  const scores = multiply(matmul(query, key, { transposeB: true }), 1 / Math.sqrt(headSize));
  const probabilities = softmax(add(scores, mask));
  const kept = dropout(probabilities, config.attention_probs_dropout_prob, 'attention.self', run, 1);
  const context = transpose(matmul(kept, value), [0, 2, 1, 3]);
  const rows = reshape(context, [batchSize * sequenceLength, heads * headSize]);
  return rowParallelLinear(rows, attention.output.dense, tensor);
}

/** The first matrix is split by columns (f before it), the second by rows (g after it). */
function mlp(x: Value, layer: LayerValues, { tensor }: Run): Value {
  const hidden = gelu(linear(copyToTensorParallel(x, tensor), layer.intermediate.dense));
  return rowParallelLinear(hidden, layer.output.dense, tensor);
}
