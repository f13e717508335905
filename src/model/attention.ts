import {
  add,
  concat,
  gather,
  matmul,
  multiply,
  reshape,
  slice,
  softmax,
  transpose,
} from '../graph/functions.js';
import { multiplyDimensions, type Dimension } from '../graph/dimension.js';
import type { Value } from '../graph/value.js';
import { headCount, headSize, type TransformerConfig } from './config.js';
import {
  columnParallelParameters,
  embeddingParameters,
  layerNormParameters,
  rowParallelParameters,
  type LayerNormValues,
  type ValuesOf,
} from './parameters.js';
import { dropout, type Run } from './run.js';
import { copyToTensorParallel, linear, rowParallelLinear, type LinearValues } from './tensor-parallel.js';

/** @param scaled the standard deviation of what adds to the residual stream */
export function attentionParameters(config: TransformerConfig, layer: number, scaled: number) {
  const { hidden_size, initializer_range, max_position_embeddings, position_embedding_type } = config;
  const size = headSize(config);
  const width = headCount(config, layer) * size;
  const project = () => columnParallelParameters(width, hidden_size, initializer_range);
  return {
    ln: layerNormParameters(hidden_size),
    self: {
      query: project(),
      key: project(),
      value: project(),
      ...(position_embedding_type !== 'absolute' && {
        distance_embedding: embeddingParameters(2 * max_position_embeddings - 1, size, initializer_range),
      }),
    },
    output: { dense: rowParallelParameters(hidden_size, width, scaled) },
  };
}

export type SelfValues = ValuesOf<ReturnType<typeof attentionParameters>['self']>;

/** What attention is computed from. A text that attends to itself may have one matrix for queries, keys and values. */
export interface AttentionValues<Self = SelfValues | { readonly fused: LinearValues }> {
  readonly ln: LayerNormValues;
  readonly self: Self;
  readonly output: { readonly dense: LinearValues };
}

/** What attention attends to: [batch, heads, keys, head size] each. */
export interface KeyValue {
  readonly key: Value;
  readonly value: Value;
}

export interface AttentionContext {
  /** Added to the scores; broadcasts to [batch, heads, queries, keys]. */
  readonly mask: Value;
  /** int32 [queries, keys]: the query's position less the key's, for relative positions. */
  readonly distances?: Value | undefined;
  /** What the scores are multiplied by. */
  readonly scale: number;
  /** [1, heads, 1, 1], multiplies the probabilities. */
  readonly headMask?: Value | undefined;
}

const splitHeads = (rows: Value, length: Dimension, config: TransformerConfig, { batchSize }: Run) => {
  const size = headSize(config);
  const heads = Number(rows.shape[1]) / size;
  return transpose(reshape(rows, [batchSize, length, heads, size]), [0, 2, 1, 3]);
};

/** [batch, heads, length, size] → [batch · length, heads · size] */
function mergeHeads(x: Value): Value {
  const [batch, heads, length, size] = x.shape as [Dimension, Dimension, Dimension, Dimension];
  const rows = multiplyDimensions(batch, length);
  return reshape(transpose(x, [0, 2, 1, 3]), [rows, multiplyDimensions(heads, size)]);
}

/**
 * Queries, keys and values of a text that attends to itself, [rows, this rank's heads · size] each.
 *
 * @param x [batch · length, hidden], the same on all ranks of tensor parallelism (after f)
 * @param select the rows whose queries are wanted
 */
export function projections(x: Value, self: AttentionValues['self'], select: (rows: Value) => Value) {
  if (!('fused' in self))
    return { query: linear(select(x), self.query), key: linear(x, self.key), value: linear(x, self.value) };
  const all = linear(x, self.fused);
  const width = Number(all.shape[1]) / 3;
  const section = (i: number) => slice(all, 1, i * width, (i + 1) * width);
  return { query: select(section(0)), key: section(1), value: section(2) };
}

/** @param rows keys and values, [batch · length, heads · size] each */
export function keyValue(
  { key, value }: KeyValue,
  length: Dimension,
  config: TransformerConfig,
  run: Run,
): KeyValue {
  return { key: splitHeads(key, length, config, run), value: splitHeads(value, length, config, run) };
}

/** `past` followed by `own`. */
export const extend = (past: KeyValue | undefined, own: KeyValue): KeyValue =>
  past ? { key: concat([past.key, own.key], 2), value: concat([past.value, own.value], 2) } : own;

/**
 * softmax(q·kᵀ / √d + mask)·v, projected. Each rank computes its own heads, and its part of the sum (g).
 *
 * @param queries [batch · length, this rank's heads · size]
 * @returns `output` [batch · length, hidden] and `probabilities` [batch, heads, length, keys]
 */
export function attention(
  queries: Value,
  length: Dimension,
  attended: KeyValue,
  context: AttentionContext,
  { self, output }: AttentionValues,
  config: TransformerConfig,
  run: Run,
  site: string,
): { readonly output: Value; readonly probabilities: Value } {
  const query = splitHeads(queries, length, config, run);
  const content = matmul(query, attended.key, { transposeB: true });
  const scores =
    'distance_embedding' in self && context.distances
      ? add(
          content,
          positionScores(query, attended.key, self.distance_embedding.weight, context.distances, config, run),
        )
      : content;
  const scaled = multiply(scores, context.scale);
  const dropped = dropout(
    softmax(add(scaled, context.mask)),
    config.attention_probs_dropout_prob,
    `${site}.self`,
    run,
    1,
  );
  const probabilities = context.headMask ? multiply(dropped, context.headMask) : dropped;
  const mixed = mergeHeads(matmul(probabilities, attended.value));
  return { output: rowParallelLinear(mixed, output.dense, run.tensor), probabilities };
}

/**
 * Relative positions (arXiv 1803.02155, and the refinement of arXiv 2009.13658 for `relative_key_query`): what the
 * query, and the key, say of the distance between them.
 *
 * @param query [batch, heads, queries, head size]
 * @param table a row for each distance from −(P − 1) to P − 1
 * @returns [batch, heads, queries, keys]
 */
function positionScores(
  query: Value,
  key: Value,
  table: Value,
  distances: Value,
  config: TransformerConfig,
  { tensor }: Run,
): Value {
  const shared = copyToTensorParallel(table, tensor);
  const embedded = gather(shared, add(distances, config.max_position_embeddings - 1));
  const ofQuery = transpose(againstDistances(query, embedded), [1, 2, 0, 3]);
  if (config.position_embedding_type === 'relative_key') return ofQuery;
  const ofKey = transpose(againstDistances(key, transpose(embedded, [1, 0, 2])), [1, 2, 3, 0]);
  return add(ofQuery, ofKey);
}

/** x [batch, heads, a, size] and embedded [a, b, size] → [a, batch, heads, b] */
function againstDistances(x: Value, embedded: Value): Value {
  const [batch, heads, a, size] = x.shape as [Dimension, Dimension, Dimension, Dimension];
  const rows = reshape(transpose(x, [2, 0, 1, 3]), [a, multiplyDimensions(batch, heads), size]);
  return reshape(matmul(rows, embedded, { transposeB: true }), [a, batch, heads, embedded.shape[1]!]);
}
