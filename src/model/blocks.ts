/**
 * A model for training: a chain of blocks, each a program of its own, so that equal layers share one
 * program and what is kept between forward and backward is chosen block by block.
 */
import { knownSize, multiplyDimensions, type Dimension } from '../graph/dimension.js';
import { add, concat, divide, gather, input, maximum, reshape, slice } from '../graph/functions.js';
import type { Value } from '../graph/value.js';
import { firstPosition } from './body.js';
import { headCount, scoreScale, type TransformerConfig } from './config.js';
import { embeddings, embeddingsParameters, type EmbeddingsOptions } from './embeddings.js';
import {
  pooler,
  poolerParameters,
  predictions,
  predictionsParameters,
  sequenceRelationshipParameters,
} from './heads.js';
import { textInputs } from './inputs.js';
import { layerParameters, normOfRows, transformerLayer } from './layer.js';
import { labelledLoss } from './losses.js';
import { bindLora, withLora, type LoraOptions } from './lora.js';
import { additiveMask, causalMask, positionDistances } from './masks.js';
import { layerNormParameters, parameterInputs, type ParameterTree, type ValuesOf } from './parameters.js';
import type { Run } from './run.js';
import { gatherRows, linear, vocabParallelFirstChoice } from './tensor-parallel.js';

export interface Block {
  /** Blocks of one kind have one program. */
  readonly kind: string;
  /** What comes before its parameters' names in the state dict. */
  readonly prefix: string;
  readonly parameters: ParameterTree;
  /**
   * @param hidden what the block before gave, [batch · sequence, hidden] or this rank's rows of it
   * @returns `hidden` for the next block, or of the last block `loss` and other scalars
   */
  readonly outputs: (run: Run, hidden: Value) => Readonly<Record<string, Value>>;
}

/** Declares a block, whose matrices may be adapted. */
export function declareBlock<Tree extends ParameterTree>(
  { kind, prefix = '' }: { readonly kind: string; readonly prefix?: string },
  declared: Tree,
  outputs: (values: ValuesOf<Tree>, run: Run, hidden: Value) => Readonly<Record<string, Value>>,
  lora?: LoraOptions,
): Block {
  const parameters = lora ? withLora(declared, lora, prefix) : declared;
  return {
    ...{ kind, prefix, parameters },
    outputs: (run, hidden) => {
      const values = parameterInputs(parameters, run.tensor.size);
      return outputs(lora ? bindLora(values, parameters, lora, run) : values, run, hidden);
    },
  };
}

/** The size of a batch's masked-LM labels, besides that of its text. */
export interface PretrainingShape {
  /** Rows of the masked-LM head: the most tokens that a micro-batch can have masked. */
  readonly predictionCount: number;
  /** The heads also tell which word they take each for: `predicted_id` and `predicted_probability` [predictionCount]. */
  readonly predicts?: boolean;
}

/** `MegatronBertForPreTraining` for training, with the masked-LM head computed for masked positions only. */
export function pretrainingBlocks(config: TransformerConfig, shape: PretrainingShape): Block[] {
  return [
    embeddingsBlock(config),
    ...Array.from({ length: config.num_hidden_layers }, (_, i) => layerBlock(config, i)),
    pretrainingHeadsBlock(config, shape),
  ];
}

export const embeddingsBlock = (config: TransformerConfig, options: EmbeddingsOptions = {}) =>
  declareBlock(
    { kind: 'embeddings' },
    { bert: { embeddings: embeddingsParameters(config) } },
    ({ bert }, run) => ({ hidden: embeddings(textInputs(run), bert.embeddings, config, run, options) }),
  );

export const layerBlock = (config: TransformerConfig, index: number, lora?: LoraOptions) =>
  declareBlock(
    { kind: `layer of ${headCount(config, index)} heads`, prefix: `bert.encoder.layer.${index}.` },
    layerParameters(config, index),
    (values, run, hidden) => {
      const { attention_mask } = textInputs(run);
      const distances = positionDistances(knownSize(run.sequenceLength));
      const mask = config.is_decoder ? causalMask(attention_mask, distances) : additiveMask(attention_mask);
      const context = { mask, distances, scale: scoreScale(config, index) };
      return { hidden: transformerLayer(hidden, values, context, config, run).hidden };
    },
    lora,
  );

function pretrainingHeadsBlock(
  config: TransformerConfig,
  { predictionCount, predicts = false }: PretrainingShape,
): Block {
  const { word_embeddings } = embeddingsParameters(config);
  return declareBlock(
    { kind: 'heads' },
    {
      bert: {
        embeddings: { word_embeddings },
        encoder: { ln: layerNormParameters(config.hidden_size) },
        pooler: poolerParameters(config),
      },
      cls: {
        predictions: predictionsParameters(config),
        seq_relationship: sequenceRelationshipParameters(config),
      },
    },
    ({ bert, cls }, run, hidden) => {
      const last = gatherRows(normOfRows(hidden, bert.encoder.ln, config, run), run.tensor);
      const masked = gather(last, input('prediction_positions', [predictionCount], 'int32'));
      const labels = input('prediction_labels', [predictionCount], 'int32');
      const table = bert.embeddings.word_embeddings.weight;
      const logits = predictions(masked, cls.predictions, table, config, run.tensor);
      const words = labelledLoss(logits, labels, run.tensor);
      const relationship = linear(pooler(firstPosition(run).take(last), bert.pooler), cls.seq_relationship);
      const order = labelledLoss(relationship, input('next_sentence_label', [run.batchSize], 'int32'));
      // samples that are cut short may have no word to predict
      const wordsLoss = divide(words.total, maximum(words.count, 1));
      return {
        loss: add(wordsLoss, order.loss),
        lm_loss: wordsLoss,
        lm_count: words.count,
        lm_correct: words.correct,
        next_sentence_loss: order.loss,
        next_sentence_correct: order.correct,
        ...(predicts && predictedWords(logits, run)),
      };
    },
  );
}

function predictedWords(logits: Value, { tensor }: Run): Readonly<Record<string, Value>> {
  const ids = input('vocabulary_ids', [logits.shape[1]!]);
  const { id, probability } = vocabParallelFirstChoice(logits, ids, tensor);
  return { predicted_id: id, predicted_probability: probability };
}

/**
 * The last layer, of a model whose head reads the first position of each text and no other: keys and values are computed of
 * all positions, and all else of that one. Others stay as they are.
 */
export const pooledLayerBlock = (config: TransformerConfig, index: number, lora?: LoraOptions) =>
  declareBlock(
    { kind: 'pooled layer', prefix: `bert.encoder.layer.${index}.` },
    layerParameters(config, index),
    (values, run, hidden) => {
      const { attention_mask } = textInputs(run);
      const selection = firstPosition(run);
      const context = { mask: additiveMask(attention_mask), scale: scoreScale(config, index), selection };
      const first = transformerLayer(hidden, values, context, config, run).hidden;
      const { batchSize, sequenceLength } = run;
      const texts = (rows: Value, length: Dimension) =>
        reshape(rows, [batchSize, length, config.hidden_size]);
      const others = slice(texts(hidden, sequenceLength), 1, 1, knownSize(sequenceLength));
      return { hidden: reshape(concat([texts(first, 1), others], 1), hidden.shape) };
    },
    lora,
  );

/** The value that a block takes from the one before it. */
export function hiddenInput(config: TransformerConfig, { batchSize, sequenceLength, tensor }: Run): Value {
  const rows = multiplyDimensions(batchSize, sequenceLength);
  return input('hidden', [tensor.sharesRows ? knownSize(rows) / tensor.size : rows, config.hidden_size]);
}
