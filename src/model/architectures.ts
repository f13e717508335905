/** transformers' model classes as functions from inputs to outputs. */
import { add, allGather, input, reshape } from '../graph/functions.js';
import type { Value } from '../graph/value.js';
import { body, bodyParameters, pooledBodyParameters, type BodyInputs } from './body.js';
import type { MegatronBertConfig } from './config.js';
import {
  labelledLoss,
  pooler,
  predictions,
  predictionsParameters,
  sequenceRelationshipParameters,
} from './heads.js';
import { parameterInputs, type ParameterTree, type ValuesOf } from './parameters.js';
import type { Run } from './run.js';
import { linear } from './tensor-parallel.js';

export type Outputs = Readonly<Record<string, Value>>;

export interface Labels {
  /** int32 [batch, sequence] */
  readonly labels?: Value;
  /** int32 [batch] */
  readonly next_sentence_label?: Value;
}

/** A model class: its parameters and its outputs, both by transformers' names. */
export interface Architecture {
  readonly parameters: (config: MegatronBertConfig) => ParameterTree;
  readonly outputs: (inputs: BodyInputs & Labels, config: MegatronBertConfig, run: Run) => Outputs;
}

function architecture<Tree extends ParameterTree>(
  parameters: (config: MegatronBertConfig) => Tree,
  forward: (
    inputs: BodyInputs & Labels,
    values: ValuesOf<Tree>,
    config: MegatronBertConfig,
    run: Run,
  ) => Outputs,
): Architecture {
  return {
    parameters,
    outputs: (inputs, config, run) =>
      forward(inputs, parameterInputs(parameters(config), run.tensor.size), config, run),
  };
}

const sequences = (rows: Value, run: Run) =>
  reshape(rows, [run.batchSize, run.sequenceLength, rows.shape[1]!]);

const hiddenStates = (states: readonly Value[], run: Run): Outputs =>
  Object.fromEntries(states.map((state, i) => [`hidden_states.${i}`, sequences(state, run)]));

const MegatronBertModel = architecture(pooledBodyParameters, (inputs, bert, config, run) => {
  const states = body(inputs, bert, config, run);
  const last = states.at(-1)!;
  return {
    last_hidden_state: sequences(last, run),
    pooler_output: pooler(last, bert.pooler, run),
    ...hiddenStates(states, run),
  };
});

const MegatronBertForMaskedLM = architecture(
  (config) => ({ bert: bodyParameters(config), cls: { predictions: predictionsParameters(config) } }),
  (inputs, { bert, cls }, config, run) => {
    const states = body(inputs, bert, config, run);
    const table = bert.embeddings.word_embeddings.weight;
    const logits = predictions(states.at(-1)!, cls.predictions, table, config, run.tensor);
    return {
      ...(inputs.labels && { loss: labelledLoss(logits, rowsOf(inputs.labels), run.tensor).loss }),
      logits: sequences(allGather(logits, run.tensor, 1), run),
      ...hiddenStates(states, run),
    };
  },
);

const MegatronBertForPreTraining = architecture(
  (config) => ({
    bert: pooledBodyParameters(config),
    cls: {
      predictions: predictionsParameters(config),
      seq_relationship: sequenceRelationshipParameters(config),
    },
  }),
  (inputs, { bert, cls }, config, run) => {
    const states = body(inputs, bert, config, run);
    const last = states.at(-1)!;
    const table = bert.embeddings.word_embeddings.weight;
    const logits = predictions(last, cls.predictions, table, config, run.tensor);
    const relationship = linear(pooler(last, bert.pooler, run), cls.seq_relationship);
    const { labels, next_sentence_label } = inputs;
    return {
      // transformers gives a loss only where both labels are given
      ...(labels &&
        next_sentence_label && {
          loss: add(
            labelledLoss(logits, rowsOf(labels), run.tensor).loss,
            labelledLoss(relationship, next_sentence_label).loss,
          ),
        }),
      prediction_logits: sequences(allGather(logits, run.tensor, 1), run),
      seq_relationship_logits: relationship,
      ...hiddenStates(states, run),
    };
  },
);

const rowsOf = (labels: Value) =>
  reshape(labels, [labels.shape.reduce((product, size) => product * size, 1)]);

export const architectures = { MegatronBertModel, MegatronBertForMaskedLM, MegatronBertForPreTraining };

export type ArchitectureName = keyof typeof architectures;

/** The inputs that every class takes, int32 [batch, sequence] each. */
export function bodyInputs({ batchSize, sequenceLength }: Run): BodyInputs {
  const text = (name: string) => input(name, [batchSize, sequenceLength], 'int32');
  return {
    input_ids: text('input_ids'),
    token_type_ids: text('token_type_ids'),
    position_ids: text('position_ids'),
    attention_mask: text('attention_mask'),
  };
}
