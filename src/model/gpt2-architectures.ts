/** transformers' classes of GPT-2 as functions from inputs to outputs. */
import { gather, matmul } from '../graph/functions.js';
import {
  classificationLoss,
  family,
  internals,
  perToken,
  sequenceLabels,
  sequences,
  vocabularyOutputs,
} from './architecture.js';
import { body } from './body.js';
import { labelCount, type TransformerConfig } from './config.js';
import { gpt2Config } from './gpt2-config.js';
import { gpt2Body, gpt2HeadParameters, gpt2Logits, gpt2Parameters } from './gpt2.js';
import { bodyInputs } from './inputs.js';
import { linearParameters } from './parameters.js';
import { copyToTensorParallel } from './tensor-parallel.js';

const architecture = family(gpt2Config);

const GPT2Model = architecture({
  parameters: gpt2Parameters,
  forward: (values, inputs, config, run) => {
    const encoded = body(bodyInputs(inputs, ['batch'], config), gpt2Body(values), config, run);
    return {
      last_hidden_state: sequences(encoded.last, run, run.sequenceLength),
      ...internals(encoded, run),
    };
  },
});

/** Each position predicts the next token. */
const GPT2LMHeadModel = architecture({
  parameters: (config) => ({ transformer: gpt2Parameters(config), ...gpt2HeadParameters(config) }),
  labels: ({ vocab_size }) => ({ shifted_labels: perToken(vocab_size) }),
  forward: ({ transformer, lm_head }, inputs, config, run) => {
    const encoded = body(bodyInputs(inputs, ['batch'], config), gpt2Body(transformer), config, run);
    const table = (lm_head ?? transformer.wte).weight;
    return {
      ...vocabularyOutputs(
        (rows) => gpt2Logits(copyToTensorParallel(rows, run.tensor), table),
        encoded,
        inputs.shifted_labels,
        inputs,
        run,
      ),
      ...internals(encoded, run),
    };
  },
});

const scoreParameters = (config: TransformerConfig) => {
  const { weight } = linearParameters(labelCount(config), config.hidden_size, config.initializer_range);
  return { weight };
};

/** By the last token of each text, which has seen all of it. */
const GPT2ForSequenceClassification = architecture({
  parameters: (config) => ({ transformer: gpt2Parameters(config), score: scoreParameters(config) }),
  labels: sequenceLabels,
  readsLastToken: true,
  forward: ({ transformer, score }, inputs, config, run) => {
    const encoded = body(bodyInputs(inputs, ['batch'], config), gpt2Body(transformer), config, run);
    const last = encoded.select({ count: 1, take: (rows) => gather(rows, inputs.last_positions!) });
    const logits = matmul(last, score.weight, { transposeB: true });
    return {
      ...(inputs.labels && { loss: classificationLoss(logits, inputs.labels, config) }),
      logits,
      ...internals(encoded, run),
    };
  },
});

export const gpt2Architectures = { GPT2Model, GPT2LMHeadModel, GPT2ForSequenceClassification };
