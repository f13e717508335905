/** Which of several endings follows a text (transformers' `run_swag.py`). */
import { InputError, shown } from '../errors.js';
import { ignoredLabel } from '../model/losses.js';
import { meanLoss } from '../train/fine-tuning/evaluate.js';
import { labelBatch, toRagged } from './features.js';
import { accuracy } from './metrics/classification.js';
import {
  argmax,
  negativeLogLikelihood,
  outputsOf,
  textOf,
  wrongRow,
  type Row,
  type Rows,
  type Task,
} from './task.js';

interface ChoiceExample {
  readonly context: string;
  readonly choices: readonly string[];
  readonly label?: number;
}

const endings = Array.from({ length: 26 }, (_, i) => `ending${i}`);

export const multipleChoice: Task<ChoiceExample> = {
  defaultLength: 512,
  className: 'MegatronBertForMultipleChoice',
  columns: ['context', 'question', 'choices', 'label', 'sent1', 'sent2', ...endings],
  findLabels: (_, { id2label }) => ({
    problem: 'single_label_classification',
    names: Object.values(id2label),
  }),
  encode(rows, { tokenizer, options, isTraining }) {
    const examples = rows.rows.map((row, i): ChoiceExample => {
      const example = exampleOf(rows, row, i);
      if (example.label === undefined && isTraining)
        throw wrongRow(rows.source, i, 'label: expected one, found none');
      return example;
    });
    const count = examples[0]!.choices.length;
    const odd = examples.findIndex(({ choices }) => choices.length !== count);
    if (odd >= 0)
      throw wrongRow(
        rows.source,
        odd,
        `expected ${count} choices, as the first row has, found ${examples[odd]!.choices.length}`,
      );
    const encoded = examples.flatMap(({ context, choices }) =>
      choices.map((choice) =>
        tokenizer.encode(
          ...(options.choice_first ? ([choice, context] as const) : ([context, choice] as const)),
          { max_length: options.max_seq_length, truncation: true },
        ),
      ),
    );
    return {
      examples,
      features: {
        examples: examples.length,
        choices: count,
        input_ids: toRagged(encoded.map(({ input_ids }) => input_ids)),
        token_type_ids: toRagged(encoded.map(({ token_type_ids }) => token_type_ids)),
        labels: { labels: toRagged(examples.map(({ label }) => (label === undefined ? [] : [label]))) },
      },
    };
  },
  labelInputs({ features }, examples, _, __, { options: { class_weights } }) {
    if (class_weights) throw new InputError('class_weights: expected classes, found choices');
    return { labels: labelBatch(features.labels.labels!, examples, 1, ignoredLabel) };
  },
  outputs: ['logits'],
  mainMetric: () => ({ name: 'accuracy', isGreater: true }),
  metrics(evaluated, { examples }) {
    const outputs = outputsOf(evaluated, 'logits');
    const labelled = [...examples.entries()].filter(([, { label }]) => label !== undefined);
    if (labelled.length === 0) return {};
    return {
      loss: meanLoss(evaluated),
      accuracy: accuracy(
        labelled.map(([i]) => argmax(outputs[i]!)),
        labelled.map(([, { label }]) => label!),
      ),
    };
  },
  predictions(evaluated, { examples }) {
    const outputs = outputsOf(evaluated, 'logits');
    const lines = outputs.map((logits, i) => `${i}\t${argmax(logits)}`);
    const worst = examples.flatMap(({ context, choices, label }, i) => {
      const predicted = argmax(outputs[i]!);
      if (label === undefined || label === predicted) return [];
      const loss = negativeLogLikelihood(outputs[i]!, label);
      return [{ text: context, expected: choices[label]!, predicted: choices[predicted]!, loss }];
    });
    return {
      files: [{ name: 'results.txt', text: `index\tprediction\n${lines.join('\n')}\n` }],
      worst: worst.sort((a, b) => b.loss - a.loss),
    };
  },
};

/** SWAG's columns, or a context and a list of choices, maybe with a question that each goes on from. */
function exampleOf(rows: Rows, row: Row, i: number): ChoiceExample {
  const text = (column: string) => textOf(rows, row, i, column);
  const label =
    row.label === undefined || row.label === null || row.label === '' ? undefined : Number(row.label);
  const isSwag = row.sent1 !== undefined;
  const choices = isSwag ? swagChoices() : listedChoices();
  if (choices.length < 2)
    throw wrongRow(rows.source, i, `expected two choices or more, found ${choices.length}`);
  if (label !== undefined && !(Number.isInteger(label) && label >= 0 && label < choices.length))
    throw wrongRow(
      rows.source,
      i,
      `label: expected an integer from 0 to ${choices.length - 1}, found ${shown(row.label)}`,
    );
  return { context: text(isSwag ? 'sent1' : 'context'), choices, ...(label !== undefined && { label }) };

  function swagChoices(): string[] {
    return endings
      .filter((ending) => row[ending] !== undefined)
      .map((ending) => `${text('sent2')} ${text(ending)}`);
  }
  function listedChoices(): string[] {
    const { choices: given } = row;
    if (!Array.isArray(given) || !given.every((choice) => typeof choice === 'string'))
      throw wrongRow(rows.source, i, `choices: expected a list of texts, found ${shown(given)}`);
    return row.question === undefined
      ? given
      : given.map((choice: string) => `${text('question')} ${choice}`);
  }
}
