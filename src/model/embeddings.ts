import { add, equal, gather, reshape, select, slice, stopGradient } from '../graph/functions.js';
import { knownSize, multiplyDimensions } from '../graph/dimension.js';
import type { Value } from '../graph/value.js';
import type { TransformerConfig } from './config.js';
import { embeddingParameters, vocabParallelEmbeddingParameters, type ValuesOf } from './parameters.js';
import { dropout, rowsAxis, type Run } from './run.js';
import { takeOwnRows, vocabParallelEmbedding } from './tensor-parallel.js';

export function embeddingsParameters(config: TransformerConfig) {
  const { hidden_size, initializer_range: range } = config;
  return {
    word_embeddings: vocabParallelEmbeddingParameters(config.vocab_size, hidden_size, range),
    position_embeddings: embeddingParameters(config.max_position_embeddings, hidden_size, range),
    token_type_embeddings: embeddingParameters(config.type_vocab_size, hidden_size, range),
  };
}

type Table = ValuesOf<ReturnType<typeof embeddingParameters>>;

export interface EmbeddingsValues {
  readonly word_embeddings: Table;
  readonly position_embeddings: Table;
  readonly token_type_embeddings?: Table;
}

/** What tells a model its words. */
export interface TextInputs {
  /** int32 [batch, sequence]; not needed where the words come as vectors. */
  readonly input_ids?: Value | undefined;
  /** [batch, sequence, hidden] */
  readonly inputs_embeds?: Value | undefined;
  /** int32 [batch, sequence], where there are types */
  readonly token_type_ids?: Value | undefined;
  /** int32 [batch, sequence]; 0, 1, 2 … without it */
  readonly position_ids?: Value | undefined;
}

export interface EmbeddingsOptions {
  /** Whether the vector of `pad_token_id` learns nothing of where it is looked up, as by torch.nn.Embedding's `padding_idx`. */
  readonly keepsPadding?: boolean;
}

/** Word + type + position, with no layer norm → [batch · sequence, hidden], or this rank's rows of it */
export function embeddings(
  { input_ids, inputs_embeds, token_type_ids, position_ids }: TextInputs,
  tables: EmbeddingsValues,
  config: TransformerConfig,
  run: Run,
  { keepsPadding = false }: EmbeddingsOptions = {},
): Value {
  const rows = multiplyDimensions(run.batchSize, run.sequenceLength);
  const learned = inputs_embeds
    ? reshape(inputs_embeds, [rows, config.hidden_size])
    : vocabParallelEmbedding(reshape(input_ids!, [rows]), tables.word_embeddings.weight, run.tensor);
  const words =
    keepsPadding && input_ids && config.pad_token_id !== null
      ? select(equal(reshape(input_ids, [rows, 1]), config.pad_token_id), stopGradient(learned), learned)
      : learned;
  const typed =
    tables.token_type_embeddings && token_type_ids
      ? add(words, gather(tables.token_type_embeddings.weight, reshape(token_type_ids, [rows])))
      : words;
  const placed =
    config.position_embedding_type === 'absolute' ? addPositions(typed, position_ids, tables, run) : typed;
  const rate = config.embd_pdrop ?? config.hidden_dropout_prob;
  return dropout(takeOwnRows(placed, run.tensor), rate, 'embeddings', run, rowsAxis(run));
}

/** @param x [batch · sequence, hidden] */
function addPositions(
  x: Value,
  position_ids: Value | undefined,
  { position_embeddings: { weight } }: EmbeddingsValues,
  { batchSize, sequenceLength }: Run,
): Value {
  if (position_ids) return add(x, gather(weight, reshape(position_ids, [x.shape[0]!])));
  const first = slice(weight, 0, 0, knownSize(sequenceLength));
  return reshape(add(reshape(x, [batchSize, sequenceLength, x.shape[1]!]), first), x.shape);
}
