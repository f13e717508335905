/** Texts or pairs of texts into classes, several labels at once, or a number (transformers' `run_glue.py`). */
import type { HostArray } from '../engine/engine.js';
import { ignoredLabel } from '../model/losses.js';
import type { EvaluatedBatch } from '../train/fine-tuning/workload.js';
import { meanLoss } from '../train/fine-tuning/evaluate.js';
import { labelBatch, toRagged } from './features.js';
import { labelName, labelNumber, textLabels } from './labels.js';
import { accuracy, confusionMatrix } from './metrics/classification.js';
import { pearson, spearman, meanSquaredError } from './metrics/correlation.js';
import { glueMetrics } from './metrics/glue.js';
import {
  argmax,
  negativeLogLikelihood,
  outputsOf,
  textOf,
  wrongRow,
  type Split,
  type Task,
  type TaskContext,
} from './task.js';

interface TextExample {
  readonly text: string;
  readonly text_pair?: string;
  /** A class, ones and zeros for several labels, or a number; none where there is no label. */
  readonly label?: number | readonly number[];
}

export const sequenceClassification: Task<TextExample> = {
  defaultLength: 512,
  className: 'MegatronBertForSequenceClassification',
  columns: ['text', 'text_pair', 'label'],
  findLabels: (rows, config, isRegression = false) => textLabels(rows, config, isRegression),
  encode(rows, { tokenizer, options, labels, isTraining }) {
    const examples = rows.rows.map((row, i): TextExample => {
      const hasPair = row.text_pair !== undefined && row.text_pair !== null;
      const label = row.label ?? undefined;
      if (label === undefined && isTraining)
        throw wrongRow(rows.source, i, 'label: expected one, found none');
      return {
        text: textOf(rows, row, i, 'text'),
        ...(hasPair && { text_pair: textOf(rows, row, i, 'text_pair') }),
        ...(label !== undefined && { label: numberOf(label, i) }),
      };
    });
    const encoded = examples.map(({ text, text_pair }) =>
      tokenizer.encode(text, text_pair, { max_length: options.max_seq_length, truncation: true }),
    );
    const asFloats = labels.problem !== 'single_label_classification';
    const numbers = examples.map(({ label }) => (label === undefined ? [] : [label].flat()));
    return {
      examples,
      features: {
        examples: examples.length,
        choices: 1,
        input_ids: toRagged(encoded.map(({ input_ids }) => input_ids)),
        token_type_ids: toRagged(encoded.map(({ token_type_ids }) => token_type_ids)),
        labels: { labels: asFloats ? toRagged(numbers, Float32Array) : toRagged(numbers) },
      },
    };

    function numberOf(label: unknown, i: number): number | number[] {
      if (labels.problem === 'single_label_classification')
        return labelNumber(labelName(label) ?? '', labels.names, rows.source, i);
      if (labels.problem === 'multi_label_classification') {
        const own = [label].flat().map((name) => labelNumber(String(name), labels.names, rows.source, i));
        return labels.names.map((_, number) => (own.includes(number) ? 1 : 0));
      }
      const value = Number(label);
      if (!Number.isFinite(value) || label === '')
        throw wrongRow(rows.source, i, `label: expected a number, found ${JSON.stringify(label)}`);
      return value;
    }
  },
  labelInputs({ features }, examples, _, __, { labels: { problem, names }, options: { class_weights } }) {
    const isClass = problem === 'single_label_classification';
    const labels = labelBatch(
      features.labels.labels!,
      examples,
      isClass ? 1 : names.length,
      isClass ? ignoredLabel : 0,
    );
    const isThere = (example: number) => (example >= 0 ? 1 : 0);
    if (isClass && !class_weights) return { labels };
    const weights = isClass
      ? Float32Array.from(labels, (label) => class_weights![label] ?? 0)
      : Float32Array.from(examples, isThere);
    return { labels, label_weights: weights };
  },
  outputs: ['logits'],
  mainMetric: ({ labels: { problem } }) =>
    problem === 'regression' ? { name: 'mse', isGreater: false } : { name: 'accuracy', isGreater: true },
  metrics(evaluated, split, context) {
    const { predicted, expected } = compared(evaluated, split, context);
    if (expected.length === 0) return {};
    const { problem } = context.labels;
    const { glue_task } = context.options;
    const loss = meanLoss(evaluated);
    if (glue_task !== undefined)
      return { loss, ...glueMetrics(glue_task, predicted.flat(), expected.flat()) };
    if (problem === 'regression')
      return {
        loss,
        mse: meanSquaredError(predicted.flat(), expected.flat()),
        pearson: pearson(predicted.flat(), expected.flat()),
        spearmanr: spearman(predicted.flat(), expected.flat()),
      };
    if (problem === 'multi_label_classification') return { loss, ...multiLabelMetrics(predicted, expected) };
    return { loss, accuracy: accuracy(predicted.flat(), expected.flat()) };
  },
  predictions(evaluated, split, context) {
    const { names, problem } = context.labels;
    const outputs = outputsOf(evaluated, 'logits');
    const shownOf = (logits: HostArray) =>
      problem === 'regression'
        ? logits[0]!.toFixed(3)
        : problem === 'multi_label_classification'
          ? names.filter((_, i) => logits[i]! > 0).join(' ')
          : names[argmax(logits)]!;
    const lines = outputs.map((logits, i) => `${i}\t${shownOf(logits)}`);
    const files = [{ name: 'results.txt', text: `index\tprediction\n${lines.join('\n')}\n` }];
    if (problem !== 'single_label_classification') return { files, worst: [] };
    const labelled = split.examples.flatMap(({ text, text_pair, label }, i) => {
      if (typeof label !== 'number') return [];
      const predicted = argmax(outputs[i]!);
      return [
        {
          text: text_pair === undefined ? text : `${text} ⏐ ${text_pair}`,
          label,
          predicted,
          loss: negativeLogLikelihood(outputs[i]!, label),
        },
      ];
    });
    return {
      files,
      worst: labelled
        .filter(({ label, predicted }) => label !== predicted)
        .sort((a, b) => b.loss - a.loss)
        .map(({ text, label, predicted, loss }) => ({
          text,
          expected: names[label]!,
          predicted: names[predicted]!,
          loss,
        })),
      ...(labelled.length > 0 && {
        confusion: {
          labels: names,
          counts: confusionMatrix(
            labelled.map(({ predicted }) => predicted),
            labelled.map(({ label }) => label),
            names.length,
          ),
        },
      }),
    };
  },
};

/** Of the examples that have labels. */
function compared(
  evaluated: readonly EvaluatedBatch[],
  { examples }: Split<TextExample>,
  { labels }: TaskContext,
) {
  const outputs = outputsOf(evaluated, 'logits');
  const labelled = examples.flatMap(({ label }, i) =>
    label === undefined ? [] : [{ label, logits: outputs[i]! }],
  );
  return {
    expected: labelled.map(({ label }) => [label].flat()),
    predicted: labelled.map(({ logits }) => {
      if (labels.problem === 'regression') return [logits[0]!];
      if (labels.problem === 'multi_label_classification') return Array.from(logits, (x) => (x > 0 ? 1 : 0));
      return [argmax(logits)];
    }),
  };
}

/** Of several labels at once: of texts that have all right, and F1 over all labels together. */
function multiLabelMetrics(predicted: readonly number[][], expected: readonly number[][]) {
  const exact = predicted.filter((own, i) => own.every((x, j) => x === expected[i]![j])).length;
  let [both, either] = [0, 0];
  predicted.forEach((own, i) => {
    own.forEach((x, j) => {
      both += x * expected[i]![j]!;
      either += x + expected[i]![j]!;
    });
  });
  return { accuracy: exact / predicted.length, f1: either === 0 ? 0 : (2 * both) / either };
}
