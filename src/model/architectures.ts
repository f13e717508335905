/** transformers' model classes as functions from inputs to outputs. */
import { add, multiply, reshape, slice } from '../graph/functions.js';
import type { Value } from '../graph/value.js';
import {
  classificationLoss,
  family,
  flat,
  internals,
  perText,
  perToken,
  sequenceLabels,
  sequences,
  vocabularyOutputs,
} from './architecture.js';
import { body, bodyParameters, firstPosition, pooledBodyParameters } from './body.js';
import { labelCount, megatronBertConfig, type TransformerConfig } from './config.js';
import { gpt2Architectures } from './gpt2-architectures.js';
import {
  classifierParameters,
  pooler,
  predictions,
  predictionsParameters,
  sequenceRelationshipParameters,
} from './heads.js';
import { bodyInputs, type Leading } from './inputs.js';
import { labelledLoss } from './losses.js';
import type { ValuesOf } from './parameters.js';
import { dropout, type Run } from './run.js';
import { linear } from './tensor-parallel.js';

const architecture = family(megatronBertConfig);

const maskedLmParameters = (config: TransformerConfig) => ({
  bert: bodyParameters(config),
  cls: { predictions: predictionsParameters(config) },
});

/** How a row of hidden states is scored: each of the vocabulary's tokens, or this rank's part of them. */
const scoring =
  (
    { bert, cls }: ValuesOf<ReturnType<typeof maskedLmParameters>>,
    config: TransformerConfig,
    { tensor }: Run,
  ) =>
  (rows: Value) =>
    predictions(rows, cls.predictions, bert.embeddings.word_embeddings.weight, config, tensor);

const MegatronBertModel = architecture({
  parameters: pooledBodyParameters,
  forward: (bert, inputs, config, run) => {
    const encoded = body(bodyInputs(inputs, ['batch'], config), bert, config, run);
    return {
      last_hidden_state: sequences(encoded.last, run, run.sequenceLength),
      pooler_output: pooler(encoded.select(firstPosition(run)), bert.pooler),
      ...internals(encoded, run),
    };
  },
});

/** @param labelName what the graph calls the token that each position is to predict */
const languageModel = (labelName: 'labels' | 'shifted_labels') =>
  architecture({
    parameters: maskedLmParameters,
    labels: ({ vocab_size }) => ({ [labelName]: perToken(vocab_size) }),
    forward: (values, inputs, config, run) => {
      const encoded = body(bodyInputs(inputs, ['batch'], config), values.bert, config, run);
      return {
        ...vocabularyOutputs(scoring(values, config, run), encoded, inputs[labelName], inputs, run),
        ...internals(encoded, run),
      };
    },
  });

const MegatronBertForMaskedLM = languageModel('labels');
/** Each position predicts the next token: its label is that of the one after it. */
const MegatronBertForCausalLM = languageModel('shifted_labels');

const MegatronBertForPreTraining = architecture({
  parameters: (config) => ({
    bert: pooledBodyParameters(config),
    cls: {
      predictions: predictionsParameters(config),
      seq_relationship: sequenceRelationshipParameters(config),
    },
  }),
  labels: ({ vocab_size }) => ({ labels: perToken(vocab_size), next_sentence_label: perText(2) }),
  forward: (values, inputs, config, run) => {
    const encoded = body(bodyInputs(inputs, ['batch'], config), values.bert, config, run);
    const words = vocabularyOutputs(scoring(values, config, run), encoded, inputs.labels, inputs, run);
    const pooled = pooler(encoded.select(firstPosition(run)), values.bert.pooler);
    const relationship = linear(pooled, values.cls.seq_relationship);
    const { next_sentence_label } = inputs;
    return {
      // transformers gives a loss only where both labels are given
      ...(words.loss &&
        next_sentence_label && {
          loss: add(words.loss, labelledLoss(relationship, next_sentence_label).loss),
        }),
      prediction_logits: words.logits,
      seq_relationship_logits: relationship,
      ...internals(encoded, run),
    };
  },
});

const MegatronBertForNextSentencePrediction = architecture({
  parameters: (config) => ({
    bert: pooledBodyParameters(config),
    cls: { seq_relationship: sequenceRelationshipParameters(config) },
  }),
  labels: () => ({ labels: perText(2) }),
  forward: ({ bert, cls }, inputs, config, run) => {
    const encoded = body(bodyInputs(inputs, ['batch'], config), bert, config, run);
    const logits = linear(pooler(encoded.select(firstPosition(run)), bert.pooler), cls.seq_relationship);
    return {
      ...(inputs.labels && { loss: labelledLoss(logits, inputs.labels).loss }),
      logits,
      ...internals(encoded, run),
    };
  },
});

const MegatronBertForSequenceClassification = architecture({
  parameters: (config) => ({
    bert: pooledBodyParameters(config),
    classifier: classifierParameters(config, labelCount(config)),
  }),
  labels: sequenceLabels,
  forward: ({ bert, classifier }, inputs, config, run) => {
    const encoded = body(bodyInputs(inputs, ['batch'], config), bert, config, run);
    const pooled = pooler(encoded.select(firstPosition(run)), bert.pooler);
    const logits = linear(dropout(pooled, config.hidden_dropout_prob, 'classifier', run), classifier);
    return {
      ...(inputs.labels && { loss: classificationLoss(logits, inputs.labels, config) }),
      logits,
      ...internals(encoded, run),
    };
  },
});

const examplesAndChoices: Leading = ['examples', 'choices'];

const MegatronBertForMultipleChoice = architecture({
  parameters: (config) => ({
    bert: pooledBodyParameters(config),
    classifier: classifierParameters(config, 1),
  }),
  leading: examplesAndChoices,
  labels: () => ({ labels: { shape: ['examples'], dtype: 'int32', classes: 'choices' } }),
  forward: ({ bert, classifier }, inputs, config, run) => {
    const encoded = body(bodyInputs(inputs, examplesAndChoices, config), bert, config, run);
    const pooled = pooler(encoded.select(firstPosition(run)), bert.pooler);
    const scores = linear(dropout(pooled, config.hidden_dropout_prob, 'classifier', run), classifier);
    const { shape } = inputs.token_type_ids!;
    const logits = reshape(scores, shape.slice(0, examplesAndChoices.length));
    return {
      ...(inputs.labels && { loss: labelledLoss(logits, inputs.labels).loss }),
      logits,
      ...internals(encoded, run),
    };
  },
});

const MegatronBertForTokenClassification = architecture({
  parameters: (config) => ({
    bert: bodyParameters(config),
    classifier: classifierParameters(config, labelCount(config)),
  }),
  labels: (config) => ({ labels: perToken(labelCount(config)) }),
  forward: ({ bert, classifier }, inputs, config, run) => {
    const encoded = body(bodyInputs(inputs, ['batch'], config), bert, config, run);
    const rows = linear(dropout(encoded.last, config.hidden_dropout_prob, 'classifier', run), classifier);
    return {
      ...(inputs.labels && { loss: labelledLoss(rows, flat(inputs.labels)).loss }),
      logits: sequences(rows, run, run.sequenceLength),
      ...internals(encoded, run),
    };
  },
});

const MegatronBertForQuestionAnswering = architecture({
  parameters: (config) => ({ bert: bodyParameters(config), qa_outputs: classifierParameters(config, 2) }),
  // positions outside the sequence are ignored
  labels: () => ({ start_positions: perText('sequence'), end_positions: perText('sequence') }),
  forward: ({ bert, qa_outputs }, inputs, config, run) => {
    const encoded = body(bodyInputs(inputs, ['batch'], config), bert, config, run);
    const rows = linear(encoded.last, qa_outputs);
    const column = (i: number) => reshape(slice(rows, 1, i, i + 1), [run.batchSize, run.sequenceLength]);
    const [start, end] = [column(0), column(1)];
    const { start_positions, end_positions } = inputs;
    return {
      ...(start_positions &&
        end_positions && {
          loss: multiply(
            0.5,
            add(labelledLoss(start, start_positions).loss, labelledLoss(end, end_positions).loss),
          ),
        }),
      start_logits: start,
      end_logits: end,
      ...internals(encoded, run),
    };
  },
});

export const architectures = {
  MegatronBertModel,
  MegatronBertForPreTraining,
  MegatronBertForCausalLM,
  MegatronBertForMaskedLM,
  MegatronBertForNextSentencePrediction,
  MegatronBertForSequenceClassification,
  MegatronBertForMultipleChoice,
  MegatronBertForTokenClassification,
  MegatronBertForQuestionAnswering,
  ...gpt2Architectures,
};

export type ArchitectureName = keyof typeof architectures;
