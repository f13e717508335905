/** A label for each word of a text (transformers' `run_ner.py`). */
import { shown } from '../errors.js';
import { ignoredLabel } from '../model/losses.js';
import { meanLoss } from '../train/fine-tuning/evaluate.js';
import type { EvaluatedBatch } from '../train/fine-tuning/workload.js';
import { labelBatch, listOf, toRagged } from './features.js';
import { labelName, labelNumber, sortedLabels } from './labels.js';
import { accuracy, confusionMatrix } from './metrics/classification.js';
import { seqevalMetrics } from './metrics/seqeval.js';
import {
  argmax,
  negativeLogLikelihood,
  outputsOf,
  wrongRow,
  type Rows,
  type Split,
  type Task,
} from './task.js';

interface WordsExample {
  readonly tokens: readonly string[];
  /** Where each word's label is, among the tokens of its text; words that were cut off have none. */
  readonly firstTokens: readonly number[];
}

/** Labels that say where entities begin and go on. */
const areEntityTags = (names: readonly string[]) =>
  names.includes('O') && names.every((name) => name === 'O' || /^[BIESLU]-/.test(name));

export const tokenClassification: Task<WordsExample> = {
  defaultLength: 512,
  className: 'MegatronBertForTokenClassification',
  columns: ['tokens', 'tags'],
  findLabels(rows, config) {
    const all = rows.rows.flatMap((row, i) => tagsOf(rows, row.tags, i));
    return { problem: 'single_label_classification', names: sortedLabels(all, config) };
  },
  encode(rows, { tokenizer, options, labels, isTraining }) {
    const continued = continuedLabels(labels.names);
    const encoded = rows.rows.map((row, i) => {
      const words = row.tokens;
      if (!Array.isArray(words) || !words.every((word) => typeof word === 'string'))
        throw wrongRow(rows.source, i, `tokens: expected a list of words, found ${shown(words)}`);
      const isLabelled = row.tags !== undefined && row.tags !== null;
      if (!isLabelled && isTraining) throw wrongRow(rows.source, i, 'tags: expected a list, found none');
      const tags = isLabelled ? tagsOf(rows, row.tags, i) : undefined;
      if (tags && tags.length !== words.length)
        throw wrongRow(
          rows.source,
          i,
          `tags: expected ${words.length}, one for each word, found ${tags.length}`,
        );
      const numbers = tags?.map((tag) => labelNumber(tag, labels.names, rows.source, i));
      const text = tokenizer.encode(words, null, { max_length: options.max_seq_length, truncation: true });
      const isFirst = (token: number) =>
        text.word_ids[token] !== null && text.word_ids[token] !== text.word_ids[token - 1];
      const ids = text.word_ids.map((word, token) => {
        const label = word === null ? undefined : numbers?.[word];
        if (label === undefined) return ignoredLabel;
        if (isFirst(token)) return label;
        return options.label_all_tokens ? continued[label]! : ignoredLabel;
      });
      const firstTokens = [...text.word_ids.keys()].filter(isFirst);
      return { text, ids, example: { tokens: words, firstTokens } };
    });
    return {
      examples: encoded.map(({ example }) => example),
      features: {
        examples: encoded.length,
        choices: 1,
        input_ids: toRagged(encoded.map(({ text }) => text.input_ids)),
        token_type_ids: toRagged(encoded.map(({ text }) => text.token_type_ids)),
        labels: { labels: toRagged(encoded.map(({ ids }) => ids)) },
      },
    };
  },
  labelInputs({ features }, examples, { length }, _, { options: { class_weights } }) {
    const labels = labelBatch(features.labels.labels!, examples, length, ignoredLabel);
    if (!class_weights) return { labels };
    return { labels, label_weights: Float32Array.from(labels, (label) => class_weights[label] ?? 0) };
  },
  outputs: ['logits'],
  ownLength: (tokens, whole, length) => (whole / length) * tokens,
  mainMetric: ({ labels }) => ({ name: areEntityTags(labels.names) ? 'f1' : 'accuracy', isGreater: true }),
  metrics(evaluated, split, { labels: { names } }) {
    const { predicted, expected } = compared(evaluated, split, names.length);
    if (expected.flat().length === 0) return {};
    const loss = meanLoss(evaluated);
    if (!areEntityTags(names)) return { loss, accuracy: accuracy(predicted.flat(), expected.flat()) };
    const { overall_precision, overall_recall, overall_f1, overall_accuracy } = seqevalMetrics(
      named(predicted, names),
      named(expected, names),
    );
    return {
      loss,
      precision: overall_precision,
      recall: overall_recall,
      f1: overall_f1,
      accuracy: overall_accuracy,
    };
  },
  predictions(evaluated, split, { labels: { names } }) {
    const outputs = outputsOf(evaluated, 'logits');
    const lines = split.examples.map(({ firstTokens }, i) =>
      firstTokens.map((token) => names[argmax(tokenLogits(outputs[i]!, token, names.length))]!).join(' '),
    );
    const words = split.examples.flatMap(({ tokens, firstTokens }, i) =>
      firstTokens.flatMap((token, word) => {
        const label = listOf(split.features.labels.labels!, i)[token]!;
        if (label === ignoredLabel) return [];
        const logits = tokenLogits(outputs[i]!, token, names.length);
        return [
          { tokens, word, label, predicted: argmax(logits), loss: negativeLogLikelihood(logits, label) },
        ];
      }),
    );
    return {
      files: [{ name: 'predictions.txt', text: `${lines.join('\n')}\n` }],
      worst: words
        .filter(({ label, predicted }) => label !== predicted)
        .sort((a, b) => b.loss - a.loss)
        .slice(0, 1000)
        .map(({ tokens, word, label, predicted, loss }) => ({
          text: around(tokens, word),
          ...{ expected: names[label]!, predicted: names[predicted]!, loss },
        })),
      ...(words.length > 0 && {
        confusion: {
          labels: names,
          counts: confusionMatrix(
            words.map(({ predicted }) => predicted),
            words.map(({ label }) => label),
            names.length,
          ),
        },
        ...(areEntityTags(names) && {
          entities: entityScores(compared(evaluated, split, names.length), names),
        }),
      }),
    };
  },
};

/** A word with some of those beside it. */
const around = (tokens: readonly string[], word: number) =>
  [
    ...tokens.slice(Math.max(0, word - 6), word),
    `[${tokens[word]!}]`,
    ...tokens.slice(word + 1, word + 7),
  ].join(' ');

function tagsOf({ source }: Rows, tags: unknown, i: number): string[] {
  if (!Array.isArray(tags)) throw wrongRow(source, i, `tags: expected a list, found ${shown(tags)}`);
  return tags.map((tag) => {
    const name = labelName(tag);
    if (name === null) throw wrongRow(source, i, `tags: expected names or numbers, found ${shown(tag)}`);
    return name;
  });
}

/** What the pieces of a word have that come after its first: of B-X it is I-X, where there is one. */
const continuedLabels = (names: readonly string[]): number[] =>
  names.map((name, id) => {
    const inside = names.indexOf(name.replace(/^B-/, 'I-'));
    return inside < 0 ? id : inside;
  });

const tokenLogits = (logits: ArrayLike<number>, token: number, classes: number) =>
  (logits as Float32Array).subarray(token * classes, (token + 1) * classes);

const named = (all: readonly (readonly number[])[], names: readonly string[]) =>
  all.map((own) => own.map((id) => names[id]!));

function entityScores({ predicted, expected }: ReturnType<typeof compared>, names: readonly string[]) {
  const metrics = seqevalMetrics(named(predicted, names), named(expected, names));
  const types = Object.entries(metrics).flatMap(([label, scores]) => {
    if (typeof scores === 'number') return [];
    const { number: support, ...rest } = scores;
    return [{ label, support, ...rest }];
  });
  const { overall_precision: precision, overall_recall: recall, overall_f1: f1 } = metrics;
  const support = types.reduce((sum, type) => sum + type.support, 0);
  return { types, all: { precision, recall, f1, support } };
}

/** Of each example, what its labelled tokens are taken for, and are. */
function compared(evaluated: readonly EvaluatedBatch[], { features }: Split, classes: number) {
  const predicted: number[][] = [];
  const expected: number[][] = [];
  outputsOf(evaluated, 'logits').forEach((logits, i) => {
    const labels = listOf(features.labels.labels!, i);
    const places = [...labels.keys()].filter((token) => labels[token] !== ignoredLabel);
    predicted.push(places.map((token) => argmax(tokenLogits(logits, token, classes))));
    expected.push(places.map((token) => labels[token]!));
  });
  return { predicted, expected };
}
