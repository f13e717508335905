import { add, matmul, tanh } from '../graph/functions.js';
import type { Value } from '../graph/value.js';
import { activations } from './activations.js';
import type { TransformerConfig } from './config.js';
import { norm } from './layer.js';
import {
  layerNormParameters,
  linearParameters,
  vocabParallelBias,
  vocabParallelEmbeddingParameters,
  type ValuesOf,
} from './parameters.js';
import type { TensorParallel } from './run.js';
import { copyToTensorParallel, linear } from './tensor-parallel.js';

export function poolerParameters({ hidden_size, initializer_range }: TransformerConfig) {
  return { dense: linearParameters(hidden_size, hidden_size, initializer_range) };
}

/** @param first [batch, hidden]: each sequence's first position */
export const pooler = (first: Value, { dense }: ValuesOf<ReturnType<typeof poolerParameters>>): Value =>
  tanh(linear(first, dense));

export function predictionsParameters(config: TransformerConfig) {
  const { hidden_size, vocab_size, initializer_range, tie_word_embeddings } = config;
  return {
    transform: {
      dense: linearParameters(hidden_size, hidden_size, initializer_range),
      LayerNorm: layerNormParameters(hidden_size),
    },
    ...(!tie_word_embeddings && {
      decoder: vocabParallelEmbeddingParameters(vocab_size, hidden_size, initializer_range),
    }),
    bias: vocabParallelBias(vocab_size),
  };
}

/** The masked-LM head: hidden [rows, hidden] → this rank's columns of the logits [rows, vocabulary / ranks]. */
export function predictions(
  hidden: Value,
  { transform, decoder, bias }: ValuesOf<ReturnType<typeof predictionsParameters>>,
  wordEmbeddings: Value,
  config: TransformerConfig,
  tensor: TensorParallel,
): Value {
  const activated = activations[config.hidden_act](linear(hidden, transform.dense));
  const transformed = copyToTensorParallel(norm(activated, transform.LayerNorm, config), tensor);
  return add(matmul(transformed, decoder?.weight ?? wordEmbeddings, { transposeB: true }), bias);
}

/** Two classes: 0, the second segment follows the first; 1, it does not. */
export function sequenceRelationshipParameters({ hidden_size, initializer_range }: TransformerConfig) {
  return linearParameters(2, hidden_size, initializer_range);
}

export function classifierParameters({ hidden_size, initializer_range }: TransformerConfig, classes: number) {
  return linearParameters(classes, hidden_size, initializer_range);
}
