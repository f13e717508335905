/** GPT-2: the same layers by other names, their matrices [in, out], and those of queries, keys and values in one. */
import { matmul } from '../graph/functions.js';
import type { Value } from '../graph/value.js';
import type { BodyValues } from './body.js';
import { headCount, headSize, type TransformerConfig } from './config.js';
import { scaledDeviation, type LayerValues } from './layer.js';
import {
  columnParallelConv1D,
  embeddingParameters,
  layerNormParameters,
  rowParallelConv1D,
  vocabParallelEmbeddingParameters,
  type ValuesOf,
} from './parameters.js';
import type { LinearValues } from './tensor-parallel.js';

export function gpt2LayerParameters(config: TransformerConfig, layer: number) {
  const { hidden_size, intermediate_size, initializer_range } = config;
  const width = headCount(config, layer) * headSize(config);
  const scaled = scaledDeviation(config);
  return {
    ln_1: layerNormParameters(hidden_size),
    attn: {
      c_attn: columnParallelConv1D(3 * width, hidden_size, initializer_range, 3),
      c_proj: rowParallelConv1D(hidden_size, width, scaled),
    },
    ln_2: layerNormParameters(hidden_size),
    mlp: {
      c_fc: columnParallelConv1D(intermediate_size, hidden_size, initializer_range),
      c_proj: rowParallelConv1D(hidden_size, intermediate_size, scaled),
    },
  };
}

export const gpt2EmbeddingsParameters = (config: TransformerConfig) => ({
  wte: vocabParallelEmbeddingParameters(config.vocab_size, config.hidden_size, config.initializer_range),
  wpe: embeddingParameters(config.max_position_embeddings, config.hidden_size, config.initializer_range),
});

export const gpt2Parameters = (config: TransformerConfig) => ({
  ...gpt2EmbeddingsParameters(config),
  h: Object.fromEntries(
    Array.from({ length: config.num_hidden_layers }, (_, i) => [i, gpt2LayerParameters(config, i)] as const),
  ),
  ln_f: layerNormParameters(config.hidden_size),
});

/** None where the head's matrix is that of the word embeddings. */
export const gpt2HeadParameters = ({
  vocab_size,
  hidden_size,
  initializer_range,
  tie_word_embeddings,
}: TransformerConfig) => ({
  ...(!tie_word_embeddings && {
    lm_head: vocabParallelEmbeddingParameters(vocab_size, hidden_size, initializer_range),
  }),
});

const conv1D = (values: LinearValues): LinearValues => ({ ...values, isConv1D: true });

export const gpt2Layer = ({
  ln_1,
  attn,
  ln_2,
  mlp,
}: ValuesOf<ReturnType<typeof gpt2LayerParameters>>): LayerValues => ({
  attention: {
    ln: ln_1,
    self: { fused: conv1D(attn.c_attn) },
    output: { dense: conv1D(attn.c_proj) },
  },
  ln: ln_2,
  intermediate: { dense: conv1D(mlp.c_fc) },
  output: { dense: conv1D(mlp.c_proj) },
});

export const gpt2Embeddings = ({ wte, wpe }: ValuesOf<ReturnType<typeof gpt2EmbeddingsParameters>>) => ({
  word_embeddings: wte,
  position_embeddings: wpe,
});

export const gpt2Body = (values: ValuesOf<ReturnType<typeof gpt2Parameters>>): BodyValues => ({
  embeddings: gpt2Embeddings(values),
  encoder: {
    layer: Object.fromEntries(Object.entries(values.h).map(([i, layer]) => [i, gpt2Layer(layer)])),
    ln: values.ln_f,
  },
});

/** The head, without a bias: rows [rows, hidden] (after f) → this rank's columns of the logits [rows, vocabulary / ranks]. */
export const gpt2Logits = (rows: Value, table: Value): Value => matmul(rows, table, { transposeB: true });
