/** What transformers' model classes have in common: functions from inputs to outputs. */
import { multiplyDimensions, type Dimension } from '../graph/dimension.js';
import { allGather, reshape } from '../graph/functions.js';
import { sizeOf, type Value } from '../graph/value.js';
import { headsAxis, type BodyOutputs } from './body.js';
import { labelCount, type TransformerConfig } from './config.js';
import { cacheName, selectionOf, type CachePart, type LabelType, type Leading } from './inputs.js';
import { binaryCrossEntropy, labelledLoss, squaredError, weightedMean, type LossOptions } from './losses.js';
import { parameterInputs, type ParameterTree, type ValuesOf } from './parameters.js';
import type { Run } from './run.js';

/** By transformers' names; members of its tuples as `hidden_states.0`. */
export type Outputs = Readonly<Record<string, Value>>;

/** Graph inputs by name: those of `bodyInputTypes` and of the class's `labels`. */
export type Inputs = Readonly<Record<string, Value>>;

/** A model class. */
export interface Architecture {
  /** Checks the fields of `config.json`. */
  readonly readConfig: (fields: unknown, source: string) => TransformerConfig;
  readonly parameters: (config: TransformerConfig) => ParameterTree;
  /** The axes of its text before the sequence. */
  readonly leading: Leading;
  /** What a loss is computed from. */
  readonly labels: (config: TransformerConfig) => Readonly<Record<string, LabelType>>;
  /** Whether it classifies a text by its last token, the row `last_positions` of each. */
  readonly readsLastToken: boolean;
  readonly outputs: (inputs: Inputs, config: TransformerConfig, run: Run) => Outputs;
}

interface Definition<Tree extends ParameterTree> {
  readonly parameters: (config: TransformerConfig) => Tree;
  readonly leading?: Leading;
  readonly labels?: (config: TransformerConfig) => Readonly<Record<string, LabelType>>;
  readonly readsLastToken?: boolean;
  readonly forward: (values: ValuesOf<Tree>, inputs: Inputs, config: TransformerConfig, run: Run) => Outputs;
}

/** Makes the classes of a family of models. */
export const family =
  (readConfig: Architecture['readConfig']) =>
  <Tree extends ParameterTree>({
    parameters,
    leading = ['batch'],
    labels = () => ({}),
    readsLastToken = false,
    forward,
  }: Definition<Tree>): Architecture => ({
    readConfig,
    parameters,
    leading,
    labels,
    readsLastToken,
    outputs: (inputs, config, run) =>
      forward(parameterInputs(parameters(config), run.tensor.size), inputs, config, run),
  });

export const perToken = (classes: number): LabelType => ({
  shape: ['batch', 'sequence'],
  dtype: 'int32',
  classes,
});
export const perText = (classes: Dimension): LabelType => ({ shape: ['batch'], dtype: 'int32', classes });

/** [batch · length, width] → [batch, length, width] */
export const sequences = (rows: Value, { batchSize }: Run, length: Dimension) =>
  reshape(rows, [batchSize, length, rows.shape[1]!]);

export const flat = (x: Value) => reshape(x, [sizeOf(x.shape)]);

/** What all classes can tell of the layers, with the heads of all ranks. */
export function internals({ states, layers }: BodyOutputs, run: Run): Outputs {
  const named = (name: string, values: readonly (Value | undefined)[]) =>
    values.flatMap((value, i): [string, Value][] => (value ? [[`${name}.${i}`, value]] : []));
  const allHeads = (own: Value) => allGather(own, run.tensor, headsAxis);
  const cached = (layer: number, part: CachePart, own: Value | undefined): [string, Value][] =>
    own ? [[cacheName(layer, part), allHeads(own)]] : [];
  return Object.fromEntries([
    ...named(
      'hidden_states',
      states.map((state) => sequences(state, run, run.sequenceLength)),
    ),
    ...named(
      'attentions',
      layers.map(({ attentions }) => allHeads(attentions)),
    ),
    ...named(
      'cross_attentions',
      layers.map(({ crossAttentions }) => crossAttentions && allHeads(crossAttentions)),
    ),
    ...layers.flatMap(({ cache: { self, cross } }, i): [string, Value][] => [
      ...cached(i, 'key', self?.key),
      ...cached(i, 'value', self?.value),
      ...cached(i, 'cross_key', cross?.key),
      ...cached(i, 'cross_value', cross?.value),
    ]),
  ]);
}

/**
 * The vocabulary's logits, of `prediction_positions` only where these are given, and the loss of all.
 *
 * @param score rows of hidden states → this rank's columns of the logits
 */
export function vocabularyOutputs(
  score: (rows: Value) => Value,
  encoded: BodyOutputs,
  labels: Value | undefined,
  { prediction_positions }: Inputs,
  run: Run,
): { readonly logits: Value; readonly loss?: Value } {
  const selection = prediction_positions && selectionOf(prediction_positions);
  const rows = score(selection ? encoded.select(selection) : encoded.last);
  return {
    logits: sequences(allGather(rows, run.tensor, 1), run, selection?.count ?? run.sequenceLength),
    ...(labels && { loss: labelledLoss(score(encoded.last), flat(labels), run.tensor).loss }),
  };
}

/** Of a text: a class, or numbers for several. */
export const sequenceLabels = (config: TransformerConfig): Readonly<Record<string, LabelType>> => ({
  labels:
    config.problem_type === 'single_label_classification'
      ? perText(labelCount(config))
      : { shape: ['batch', labelCount(config)], dtype: 'float32' },
});

/** By the config's `problem_type`, which must be known. */
export function classificationLoss(
  logits: Value,
  labels: Value,
  { problem_type }: TransformerConfig,
  options: LossOptions = {},
): Value {
  const ofRows = (errors: Value) =>
    weightedMean(errors, options.weights && reshape(options.weights, [logits.shape[0]!, 1]));
  if (problem_type === 'regression') return ofRows(squaredError(logits, labels));
  if (problem_type === 'multi_label_classification') return ofRows(binaryCrossEntropy(logits, labels));
  return labelledLoss(logits, labels, undefined, options).loss;
}

/** A run whose sizes are those of each call. */
export const dynamicRun = ({ leading }: Architecture, run: Pick<Run, 'tensor' | 'everyPosition'>): Run => ({
  ...run,
  batchSize: leading.reduce(multiplyDimensions),
  sequenceLength: 'sequence',
});
