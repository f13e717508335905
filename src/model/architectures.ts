/** transformers' model classes as functions from inputs to outputs. */
import { multiplyDimensions, type Dimension } from '../graph/dimension.js';
import { add, allGather, multiply, reshape, slice } from '../graph/functions.js';
import { sizeOf, type Value } from '../graph/value.js';
import { body, bodyParameters, firstPosition, pooledBodyParameters, type BodyOutputs } from './body.js';
import { labelCount, type MegatronBertConfig } from './config.js';
import {
  classifierParameters,
  pooler,
  predictions,
  predictionsParameters,
  sequenceRelationshipParameters,
} from './heads.js';
import { bodyInputs, cacheName, selectionOf, type LabelType, type Leading } from './inputs.js';
import { binaryCrossEntropy, labelledLoss, meanSquaredError } from './losses.js';
import { parameterInputs, type ParameterTree, type ValuesOf } from './parameters.js';
import { dropout, type Run } from './run.js';
import { linear } from './tensor-parallel.js';

/** By transformers' names; members of its tuples as `hidden_states.0`. */
export type Outputs = Readonly<Record<string, Value>>;

/** Graph inputs by name: those of `bodyInputTypes` and of the class's `labels`. */
export type Inputs = Readonly<Record<string, Value>>;

/** A model class. */
export interface Architecture {
  readonly parameters: (config: MegatronBertConfig) => ParameterTree;
  /** The axes of its text before the sequence. */
  readonly leading: Leading;
  /** What a loss is computed from. */
  readonly labels: (config: MegatronBertConfig) => Readonly<Record<string, LabelType>>;
  readonly outputs: (inputs: Inputs, config: MegatronBertConfig, run: Run) => Outputs;
}

interface Definition<Tree extends ParameterTree> {
  readonly parameters: (config: MegatronBertConfig) => Tree;
  readonly leading?: Leading;
  readonly labels?: (config: MegatronBertConfig) => Readonly<Record<string, LabelType>>;
  readonly forward: (values: ValuesOf<Tree>, inputs: Inputs, config: MegatronBertConfig, run: Run) => Outputs;
}

const architecture = <Tree extends ParameterTree>({
  parameters,
  leading = ['batch'],
  labels = () => ({}),
  forward,
}: Definition<Tree>): Architecture => ({
  parameters,
  leading,
  labels,
  outputs: (inputs, config, run) =>
    forward(parameterInputs(parameters(config), run.tensor.size), inputs, config, run),
});

const perToken = (classes: number): LabelType => ({
  shape: ['batch', 'sequence'],
  dtype: 'int32',
  classes,
});
const perText = (classes: Dimension): LabelType => ({ shape: ['batch'], dtype: 'int32', classes });

/** [batch · length, width] → [batch, length, width] */
const sequences = (rows: Value, { batchSize }: Run, length: Dimension) =>
  reshape(rows, [batchSize, length, rows.shape[1]!]);

const flat = (x: Value) => reshape(x, [sizeOf(x.shape)]);

/** What all classes can tell of the layers. */
function internals({ states, layers }: BodyOutputs, run: Run): Outputs {
  const named = (name: string, values: readonly (Value | undefined)[]) =>
    values.flatMap((value, i): [string, Value][] => (value ? [[`${name}.${i}`, value]] : []));
  return Object.fromEntries([
    ...named(
      'hidden_states',
      states.map((state) => sequences(state, run, run.sequenceLength)),
    ),
    ...named(
      'attentions',
      layers.map(({ attentions }) => attentions),
    ),
    ...named(
      'cross_attentions',
      layers.map(({ crossAttentions }) => crossAttentions),
    ),
    ...layers.flatMap(({ cache: { self, cross } }, i): [string, Value][] => [
      ...(self ? [[cacheName(i, 'key'), self.key] as [string, Value]] : []),
      ...(self ? [[cacheName(i, 'value'), self.value] as [string, Value]] : []),
      ...(cross ? [[cacheName(i, 'cross_key'), cross.key] as [string, Value]] : []),
      ...(cross ? [[cacheName(i, 'cross_value'), cross.value] as [string, Value]] : []),
    ]),
  ]);
}

/** The vocabulary's logits, of `prediction_positions` only where these are given, and the loss of all. */
function vocabularyOutputs(
  { bert, cls }: ValuesOf<ReturnType<typeof maskedLmParameters>>,
  encoded: BodyOutputs,
  labels: Value | undefined,
  { prediction_positions }: Inputs,
  config: MegatronBertConfig,
  run: Run,
): { readonly logits: Value; readonly loss?: Value } {
  const table = bert.embeddings.word_embeddings.weight;
  const score = (rows: Value) => predictions(rows, cls.predictions, table, config, run.tensor);
  const selection = prediction_positions && selectionOf(prediction_positions);
  const rows = score(selection ? encoded.select(selection) : encoded.last);
  return {
    logits: sequences(allGather(rows, run.tensor, 1), run, selection?.count ?? run.sequenceLength),
    ...(labels && { loss: labelledLoss(score(encoded.last), flat(labels), run.tensor).loss }),
  };
}

const maskedLmParameters = (config: MegatronBertConfig) => ({
  bert: bodyParameters(config),
  cls: { predictions: predictionsParameters(config) },
});

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
        ...vocabularyOutputs(values, encoded, inputs[labelName], inputs, config, run),
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
    const words = vocabularyOutputs(values, encoded, inputs.labels, inputs, config, run);
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
  labels: (config) => ({
    labels:
      config.problem_type === 'single_label_classification'
        ? perText(labelCount(config))
        : { shape: ['batch', labelCount(config)], dtype: 'float32' },
  }),
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

/** By the config's `problem_type`, which must be known. */
function classificationLoss(logits: Value, labels: Value, { problem_type }: MegatronBertConfig): Value {
  if (problem_type === 'regression') return meanSquaredError(logits, labels);
  if (problem_type === 'multi_label_classification') return binaryCrossEntropy(logits, labels);
  return labelledLoss(logits, labels).loss;
}

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
};

export type ArchitectureName = keyof typeof architectures;

/** A run whose sizes are those of each call. */
export const dynamicRun = ({ leading }: Architecture, run: Pick<Run, 'tensor' | 'everyPosition'>): Run => ({
  ...run,
  batchSize: leading.reduce(multiplyDimensions),
  sequenceLength: 'sequence',
});
