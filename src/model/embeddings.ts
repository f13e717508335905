import { add, cast, gather, multiply, reshape, subtract } from '../graph/functions.js';
import type { Value } from '../graph/value.js';
import type { MegatronBertConfig } from './config.js';
import { embeddingParameters, vocabParallelEmbeddingParameters, type ValuesOf } from './parameters.js';
import { dropout, type Run } from './run.js';
import { vocabParallelEmbedding } from './tensor-parallel.js';

export function embeddingsParameters(config: MegatronBertConfig) {
  const { hidden_size, initializer_range: range } = config;
  return {
    word_embeddings: vocabParallelEmbeddingParameters(config.vocab_size, hidden_size, range),
    position_embeddings: embeddingParameters(config.max_position_embeddings, hidden_size, range),
    token_type_embeddings: embeddingParameters(config.type_vocab_size, hidden_size, range),
  };
}

export type EmbeddingsValues = ValuesOf<ReturnType<typeof embeddingsParameters>>;

/** What tells a model its words: int32 [batch, sequence] each. */
export interface TextInputs {
  readonly input_ids: Value;
  readonly token_type_ids: Value;
  readonly position_ids: Value;
}

/** Word + type + position, with no layer norm → [batch · sequence, hidden] */
export function embeddings(
  inputs: TextInputs,
  tables: EmbeddingsValues,
  config: MegatronBertConfig,
  run: Run,
): Value {
  const rows = [run.batchSize * run.sequenceLength];
  const words = vocabParallelEmbedding(
    reshape(inputs.input_ids, rows),
    tables.word_embeddings.weight,
    run.tensor,
  );
  const types = gather(tables.token_type_embeddings.weight, reshape(inputs.token_type_ids, rows));
  const positions = gather(tables.position_embeddings.weight, reshape(inputs.position_ids, rows));
  return dropout(add(add(words, types), positions), config.hidden_dropout_prob, 'embeddings', run);
}

const smallestFloat32 = -3.4028234663852886e38;

/** int32 [batch, sequence] of ones and zeros → [batch, 1, 1, sequence], added to attention scores. */
export function additiveMask(attentionMask: Value): Value {
  const [batchSize, sequenceLength] = attentionMask.shape as [number, number];
  const hidden = subtract(1, cast(attentionMask, 'float32'));
  return reshape(multiply(hidden, smallestFloat32), [batchSize, 1, 1, sequenceLength]);
}
