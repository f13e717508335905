/** GPT-2 for training, as a chain of blocks (see `blocks.ts`). */
import { knownSize, multiplyDimensions } from '../graph/dimension.js';
import { input } from '../graph/functions.js';
import type { Value } from '../graph/value.js';
import type { Block } from './blocks.js';
import { scoreScale, type TransformerConfig } from './config.js';
import { embeddings } from './embeddings.js';
import {
  gpt2Embeddings,
  gpt2EmbeddingsParameters,
  gpt2HeadParameters,
  gpt2Layer,
  gpt2LayerParameters,
  gpt2Logits,
} from './gpt2.js';
import { normOfRows, transformerLayer } from './layer.js';
import { labelledLossByRows, type LossOptions } from './losses.js';
import { triangularMask } from './masks.js';
import { layerNormParameters, parameterInputs } from './parameters.js';
import { enterTensorParallel } from './tensor-parallel.js';

/**
 * `GPT2LMHeadModel` for training. Its inputs are `input_ids`, int32 [batch, sequence], texts without padding, and `labels`,
 * int32 [batch · sequence], the token that each position is to predict (−100 for none). It gives the scalars `loss`,
 * which is `lm_loss` too, and of the labelled positions `lm_count` and `lm_correct`, those whose label is the likeliest.
 */
export const gpt2Blocks = (
  config: TransformerConfig,
  options: Pick<LossOptions, 'smoothing'> = {},
): Block[] => [
  embeddingsBlock(config),
  ...Array.from({ length: config.num_hidden_layers }, (_, i) => layerBlock(config, i)),
  headBlock(config, options),
];

function embeddingsBlock(config: TransformerConfig): Block {
  const parameters = { transformer: gpt2EmbeddingsParameters(config) };
  return {
    kind: 'embeddings',
    prefix: '',
    parameters,
    outputs: (run) => {
      const { transformer } = parameterInputs(parameters, run.tensor.size);
      const input_ids = input('input_ids', [run.batchSize, run.sequenceLength], 'int32');
      return { hidden: embeddings({ input_ids }, gpt2Embeddings(transformer), config, run) };
    },
  };
}

function layerBlock(config: TransformerConfig, index: number): Block {
  const parameters = gpt2LayerParameters(config, index);
  const scale = scoreScale(config, index);
  return {
    // of layers that divide their scores by their number, each is another program
    kind: `layer, scores × ${scale}`,
    prefix: `transformer.h.${index}.`,
    parameters,
    outputs: (run, hidden) => {
      const values = gpt2Layer(parameterInputs(parameters, run.tensor.size));
      const mask = triangularMask(knownSize(run.sequenceLength));
      return { hidden: transformerLayer(hidden, values, { mask, scale }, config, run).hidden };
    },
  };
}

function headBlock(config: TransformerConfig, options: Pick<LossOptions, 'smoothing'>): Block {
  const { wte } = gpt2EmbeddingsParameters(config);
  const parameters = {
    transformer: { wte, ln_f: layerNormParameters(config.hidden_size) },
    ...gpt2HeadParameters(config),
  };
  return {
    kind: 'head',
    prefix: '',
    parameters,
    outputs: (run, hidden) => {
      const { transformer, lm_head } = parameterInputs(parameters, run.tensor.size);
      const table = (lm_head ?? transformer.wte).weight;
      const last = enterTensorParallel(normOfRows(hidden, transformer.ln_f, config, run), run.tensor);
      const labels = input('labels', [multiplyDimensions(run.batchSize, run.sequenceLength)], 'int32');
      const score = (rows: Value) => gpt2Logits(rows, table);
      const width = config.vocab_size / run.tensor.size;
      const { loss, count, correct } = labelledLossByRows(last, score, width, labels, run.tensor, options);
      return { loss, lm_loss: loss, lm_count: count, lm_correct: correct };
    },
  };
}
