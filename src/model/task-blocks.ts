/** MegatronBERT's classes for fine-tuning, as chains of blocks (see `blocks.ts`). */
import { gather, input, multiply, add, reshape, slice } from '../graph/functions.js';
import { knownSize, multiplyDimensions } from '../graph/dimension.js';
import type { Value } from '../graph/value.js';
import { classificationLoss } from './architecture.js';
import { declareBlock, embeddingsBlock, layerBlock, pooledLayerBlock, type Block } from './blocks.js';
import { firstPosition } from './body.js';
import { labelCount, type TransformerConfig } from './config.js';
import { embeddingsParameters } from './embeddings.js';
import { gpt2Blocks } from './gpt2-blocks.js';
import {
  classifierParameters,
  pooler,
  poolerParameters,
  predictions,
  predictionsParameters,
} from './heads.js';
import { normOfRows } from './layer.js';
import type { LoraOptions } from './lora.js';
import { labelledLoss, labelledLossByRows, type LossOptions } from './losses.js';
import {
  layerNormParameters,
  type LayerNormValues,
  type ParameterTree,
  type ValuesOf,
} from './parameters.js';
import { dropout, type Run } from './run.js';
import { gatherRows, linear } from './tensor-parallel.js';

export interface TaskBlockOptions {
  /** Texts of each example: its choices. */
  readonly choices?: number;
  /** Rows of the masked-LM head: the most tokens that a batch may have labelled. */
  readonly predictionCount?: number;
  readonly labelSmoothing?: number;
  /** Whether each label brings what it counts, the input `label_weights`. */
  readonly weighsLabels?: boolean;
  readonly lora?: LoraOptions;
}

export type TaskClass = keyof typeof heads | 'GPT2LMHeadModel';

/**
 * The blocks of a class. All take int32 `input_ids`, `token_type_ids`, `attention_mask` and `position_ids` [batch, sequence], and
 * labels, −100 for what is not to be learned; each head says which. They give the scalar `loss`, and what is evaluated:
 * `logits`, `start_logits` and `end_logits`, or of a language model the scalars `lm_count` and `lm_correct`.
 */
export function taskBlocks(
  name: TaskClass,
  config: TransformerConfig,
  options: TaskBlockOptions = {},
): Block[] {
  if (name === 'GPT2LMHeadModel') return gpt2Blocks(config, { smoothing: options.labelSmoothing ?? 0 });
  const { lora } = options;
  const last = config.num_hidden_layers - 1;
  const isPooled =
    pooledClasses.has(name) && !config.is_decoder && config.position_embedding_type === 'absolute';
  return [
    embeddingsBlock(config, { keepsPadding: true }),
    ...Array.from({ length: last }, (_, i) => layerBlock(config, i, lora)),
    (isPooled ? pooledLayerBlock : layerBlock)(config, last, lora),
    heads[name](config, options),
  ];
}

/** Those whose heads read the first position only. */
const pooledClasses: ReadonlySet<TaskClass> = new Set([
  'MegatronBertForSequenceClassification',
  'MegatronBertForMultipleChoice',
]);

type Head = (config: TransformerConfig, options: TaskBlockOptions) => Block;

/** A head on the encoder's output. @param outputs from the rows [batch · sequence, hidden] after the final layer norm */
function head<Tree extends ParameterTree>(
  config: TransformerConfig,
  declared: Tree,
  { lora }: TaskBlockOptions,
  outputs: (rows: Value, values: ValuesOf<Tree>, run: Run) => Readonly<Record<string, Value>>,
): Block {
  const encoder = { ln: layerNormParameters(config.hidden_size) };
  const bert = { ...(declared.bert as ParameterTree | undefined), encoder };
  return declareBlock(
    { kind: 'heads' },
    { ...declared, bert },
    (values, run, hidden) => {
      const { ln } = (values.bert as unknown as { encoder: { ln: LayerNormValues } }).encoder;
      const rows = gatherRows(normOfRows(hidden, ln, config, run), run.tensor);
      return outputs(rows, values, run);
    },
    lora,
  );
}

const lossOptions = (
  { labelSmoothing = 0, weighsLabels = false }: TaskBlockOptions,
  rows: number,
): LossOptions => ({
  smoothing: labelSmoothing,
  ...(weighsLabels && { weights: input('label_weights', [rows]) }),
});

const rowCount = ({ batchSize, sequenceLength }: Run) =>
  knownSize(multiplyDimensions(batchSize, sequenceLength));

/** What a pooled text is scored as, [batch, classes]. */
function pooledScores(
  rows: Value,
  { bert, classifier }: ValuesOf<ReturnType<typeof pooledParameters>>,
  config: TransformerConfig,
  run: Run,
): Value {
  const pooled = pooler(firstPosition(run).take(rows), bert.pooler);
  return linear(dropout(pooled, config.hidden_dropout_prob, 'classifier', run), classifier);
}

const pooledParameters = (config: TransformerConfig, classes: number) => ({
  bert: { pooler: poolerParameters(config) },
  classifier: classifierParameters(config, classes),
});

/** `labels`: a class [batch], or floats [batch, labels] with `label_weights` [batch]. */
const sequenceClassification: Head = (config, options) =>
  head(config, pooledParameters(config, labelCount(config)), options, (rows, values, run) => {
    const batch = knownSize(run.batchSize);
    const logits = pooledScores(rows, values, config, run);
    const isClass = config.problem_type === 'single_label_classification';
    const labels = isClass ? input('labels', [batch], 'int32') : input('labels', [batch, labelCount(config)]);
    // what is no example has no label to ignore, where labels are numbers
    const weighsLabels = !isClass || options.weighsLabels === true;
    return {
      loss: classificationLoss(logits, labels, config, lossOptions({ ...options, weighsLabels }, batch)),
      logits,
    };
  });

/** `labels` [examples], where the batch has each example's choices one after the other. */
const multipleChoice: Head = (config, options) =>
  head(config, pooledParameters(config, 1), options, (rows, values, run) => {
    const { choices = 1 } = options;
    const examples = knownSize(run.batchSize) / choices;
    const logits = reshape(pooledScores(rows, values, config, run), [examples, choices]);
    const labels = input('labels', [examples], 'int32');
    return { loss: labelledLoss(logits, labels, undefined, lossOptions(options, examples)).loss, logits };
  });

/** `labels` [batch · sequence]. */
const tokenClassification: Head = (config, options) =>
  head(
    config,
    { classifier: classifierParameters(config, labelCount(config)) },
    options,
    (rows, values, run) => {
      const logits = linear(dropout(rows, config.hidden_dropout_prob, 'classifier', run), values.classifier);
      const labels = input('labels', [rowCount(run)], 'int32');
      const { loss } = labelledLoss(logits, labels, undefined, lossOptions(options, rowCount(run)));
      return { loss, logits };
    },
  );

/** `start_positions` and `end_positions` [batch]. */
const questionAnswering: Head = (config, options) =>
  head(config, { qa_outputs: classifierParameters(config, 2) }, options, (rows, { qa_outputs }, run) => {
    const { batchSize, sequenceLength } = run;
    const scores = linear(rows, qa_outputs);
    const column = (i: number) => reshape(slice(scores, 1, i, i + 1), [batchSize, sequenceLength]);
    const [start, end] = [column(0), column(1)];
    const lossOf = (logits: Value, name: string) =>
      labelledLoss(logits, input(name, [batchSize], 'int32')).loss;
    return {
      loss: multiply(0.5, add(lossOf(start, 'start_positions'), lossOf(end, 'end_positions'))),
      start_logits: start,
      end_logits: end,
    };
  });

const vocabularyParameters = (config: TransformerConfig) => ({
  bert: { embeddings: { word_embeddings: embeddingsParameters(config).word_embeddings } },
  cls: { predictions: predictionsParameters(config) },
});

interface WordContext {
  readonly config: TransformerConfig;
  readonly options: TaskBlockOptions;
  readonly run: Run;
}

/** What it costs to predict `labels` [rows] from rows [rows, hidden]. */
function wordScores(
  rows: Value,
  labels: Value,
  { bert, cls }: ValuesOf<ReturnType<typeof vocabularyParameters>>,
  { config, options: { labelSmoothing: smoothing = 0 }, run: { tensor } }: WordContext,
): Readonly<Record<string, Value>> {
  const table = bert.embeddings.word_embeddings.weight;
  const score = (some: Value) => predictions(some, cls.predictions, table, config, tensor);
  const width = config.vocab_size / tensor.size;
  const { loss, count, correct } = labelledLossByRows(rows, score, width, labels, tensor, { smoothing });
  return { loss, lm_count: count, lm_correct: correct };
}

/** `prediction_positions` and `prediction_labels` [predictionCount]: rows of the batch, and the words there. */
const maskedLm: Head = (config, options) =>
  head(config, vocabularyParameters(config), options, (rows, values, run) => {
    const { predictionCount = 0 } = options;
    const masked = gather(rows, input('prediction_positions', [predictionCount], 'int32'));
    return wordScores(masked, input('prediction_labels', [predictionCount], 'int32'), values, {
      ...{ config, options, run },
    });
  });

/** `labels` [batch · sequence]: what each position is to predict, the token after it. */
const causalLm: Head = (config, options) =>
  head(config, vocabularyParameters(config), options, (rows, values, run) =>
    wordScores(rows, input('labels', [rowCount(run)], 'int32'), values, { config, options, run }),
  );

const heads = {
  MegatronBertForSequenceClassification: sequenceClassification,
  MegatronBertForTokenClassification: tokenClassification,
  MegatronBertForQuestionAnswering: questionAnswering,
  MegatronBertForMultipleChoice: multipleChoice,
  MegatronBertForMaskedLM: maskedLm,
  MegatronBertForCausalLM: causalLm,
} satisfies Readonly<Record<string, Head>>;
