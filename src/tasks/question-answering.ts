/** Where in a text the answer to a question is (transformers' `run_qa.py`). */
import { InputError, shown } from '../errors.js';
import { ignoredLabel } from '../model/losses.js';
import { meanLoss } from '../train/fine-tuning/evaluate.js';
import type { EvaluatedBatch } from '../train/fine-tuning/workload.js';
import type { EncodedText } from '../text/encoding.js';
import { bestAnswer, type FoundAnswer, type WindowScores } from './best-answers.js';
import { labelBatch, toRagged } from './features.js';
import { answerF1 } from './metrics/answers.js';
import { squadMetrics } from './metrics/squad.js';
import { squadV2Metrics } from './metrics/squad-v2.js';
import {
  outputsOf,
  textOf,
  wrongRow,
  type Row,
  type Rows,
  type Split,
  type Task,
  type TaskOptions,
} from './task.js';

interface QuestionExample {
  readonly id: string;
  readonly question: string;
  readonly context: string;
  /** What counts as right; none where the question has no answer, or where that is not told. */
  readonly answers: readonly string[];
  readonly isLabelled: boolean;
  /** Its features: windows of the context, one after the other. Where each token is in the context, −1 for others. */
  readonly windows: readonly Int32Array[];
}

/** From a character on, in UTF-16 units. */
interface Answer {
  readonly text: string;
  readonly start: number;
}

export const questionAnswering: Task<QuestionExample> = {
  defaultLength: 384,
  className: 'MegatronBertForQuestionAnswering',
  columns: ['id', 'question', 'context', 'answers'],
  findLabels: () => ({ problem: 'single_label_classification', names: ['LABEL_0', 'LABEL_1'] }),
  encode(rows, { tokenizer, options, isTraining }) {
    const windows: EncodedText[] = [];
    const starts: number[] = [];
    const ends: number[] = [];
    const examples = rows.rows.map((row, i): QuestionExample => {
      const question = textOf(rows, row, i, 'question').trimStart();
      const context = textOf(rows, row, i, 'context');
      const answers = answersOf(rows, row, i, context);
      if (!answers && isTraining) throw wrongRow(rows.source, i, 'answers: expected some, found none');
      const encoded = encodeWindows(question, context, i);
      for (const window of encoded) {
        const [start, end] = answerTokens(window, answers?.[0]);
        windows.push(window);
        starts.push(start);
        ends.push(end);
      }
      return {
        id: ['string', 'number'].includes(typeof row.id) ? textOf(rows, row, i, 'id') : String(i),
        ...{
          question,
          context,
          answers: answers?.map(({ text }) => text) ?? [],
          isLabelled: answers !== undefined,
        },
        windows: encoded.map(contextOffsets),
      };
    });
    return {
      examples,
      features: {
        examples: windows.length,
        choices: 1,
        input_ids: toRagged(windows.map(({ input_ids }) => input_ids)),
        token_type_ids: toRagged(windows.map(({ token_type_ids }) => token_type_ids)),
        labels: {
          start_positions: toRagged(starts.map((start) => [start])),
          end_positions: toRagged(ends.map((end) => [end])),
        },
      },
    };

    function encodeWindows(question: string, context: string, i: number): EncodedText[] {
      try {
        return tokenizer.encodeWindows(question, context, {
          truncation: 'only_second',
          max_length: options.max_seq_length,
          stride: options.doc_stride,
        });
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        throw wrongRow(rows.source, i, `question: ${error.message}`);
      }
    }
  },
  labelInputs({ features: { labels } }, examples, _, __, { options: { class_weights } }) {
    if (class_weights) throw new InputError('class_weights: expected classes, found questions');
    return {
      start_positions: labelBatch(labels.start_positions!, examples, 1, ignoredLabel),
      end_positions: labelBatch(labels.end_positions!, examples, 1, ignoredLabel),
    };
  },
  outputs: ['start_logits', 'end_logits'],
  ownLength: (tokens) => tokens,
  mainMetric: () => ({ name: 'f1', isGreater: true }),
  metrics(evaluated, split, { options }) {
    if (!split.examples.every(({ isLabelled }) => isLabelled)) return {};
    const found = findAnswers(evaluated, split, options);
    const references = split.examples.map(({ id, answers }) => ({ id, answers: [...answers] }));
    const predictions = new Map(split.examples.map(({ id }, i) => [id, found[i]!.text]));
    const loss = meanLoss(evaluated);
    if (!options.version_2_with_negative) return { loss, ...squadMetrics(predictions, references) };
    const noAnswer = new Map(split.examples.map(({ id }) => [id, 0]));
    return { loss, ...squadV2Metrics(predictions, references, noAnswer, 1) };
  },
  predictions(evaluated, split, { options }) {
    const found = findAnswers(evaluated, split, options);
    const byId = (valueOf: (answer: FoundAnswer) => unknown) =>
      `${JSON.stringify(Object.fromEntries(split.examples.map(({ id }, i) => [id, valueOf(found[i]!)])), null, 4)}\n`;
    const worst = split.examples.flatMap(({ question, answers, isLabelled }, i) => {
      const { text } = found[i]!;
      const score = Math.max(
        0,
        ...(answers.length > 0 ? answers : ['']).map((answer) => answerF1(text, answer)),
      );
      if (!isLabelled || score === 1) return [];
      return [{ text: question, expected: answers.join(' | '), predicted: text, loss: 1 - score }];
    });
    return {
      files: [
        { name: 'predictions.json', text: byId(({ text }) => text) },
        { name: 'nbest_predictions.json', text: byId(({ best }) => best) },
        ...(options.version_2_with_negative
          ? [{ name: 'null_odds.json', text: byId(({ nullOdds }) => nullOdds) }]
          : []),
      ],
      worst: worst.sort((a, b) => b.loss - a.loss),
    };
  },
};

/** `{ text: [], answer_start: [] }` as `datasets` has it; places are counted in code points. @throws InputError */
function answersOf({ source }: Rows, row: Row, i: number, context: string): Answer[] | undefined {
  if (row.answers === undefined || row.answers === null) return undefined;
  const { text, answer_start } = row.answers as { readonly text?: unknown; readonly answer_start?: unknown };
  if (!Array.isArray(text) || !Array.isArray(answer_start) || text.length !== answer_start.length)
    throw wrongRow(
      source,
      i,
      `answers: expected { text: [], answer_start: [] }, found ${shown(row.answers)}`,
    );
  return text.map((answer: unknown, number) => {
    const place: unknown = answer_start[number];
    if (typeof answer !== 'string' || !Number.isInteger(place) || (place as number) < 0)
      throw wrongRow(
        source,
        i,
        `answers: expected a text and its place, found ${shown(answer)} and ${shown(place)}`,
      );
    const start = toUtf16(context, place as number);
    const there = context.slice(start, start + answer.length);
    if (there.toLowerCase() !== answer.toLowerCase())
      throw wrongRow(
        source,
        i,
        `answers: expected ${shown(answer)} at character ${String(place)} of the context, found ${shown(there)}`,
      );
    return { text: answer, start };
  });
}

/** Where the code point of a number begins. */
function toUtf16(text: string, place: number): number {
  let at = 0;
  for (let count = 0; count < place && at < text.length; count++)
    at += text.codePointAt(at)! > 0xffff ? 2 : 1;
  return at;
}

/** The first and the last token of an answer; those of `[CLS]` where it is not whole in the window. */
function answerTokens(
  { offset_mapping, sequence_ids }: EncodedText,
  answer: Answer | undefined,
): [number, number] {
  const first = sequence_ids.indexOf(1);
  const last = sequence_ids.lastIndexOf(1);
  if (!answer || first < 0) return [0, 0];
  const end = answer.start + answer.text.length;
  if (offset_mapping[first]![0] > answer.start || offset_mapping[last]![1] < end) return [0, 0];
  let start = first;
  while (start < last && offset_mapping[start + 1]![0] <= answer.start) start++;
  let stop = last;
  while (stop > first && offset_mapping[stop - 1]![1] >= end) stop--;
  return [start, stop];
}

/** Begin and end of each token, or −1. */
const contextOffsets = ({ offset_mapping, sequence_ids }: EncodedText): Int32Array =>
  Int32Array.from(
    offset_mapping.flatMap((place, token) => (sequence_ids[token] === 1 ? [...place] : [-1, -1])),
  );

function findAnswers(
  evaluated: readonly EvaluatedBatch[],
  { examples }: Split<QuestionExample>,
  options: TaskOptions,
): FoundAnswer[] {
  const starts = outputsOf(evaluated, 'start_logits');
  const ends = outputsOf(evaluated, 'end_logits');
  let next = 0;
  return examples.map(({ context, windows }) => {
    const scores = windows.map((offsets): WindowScores => {
      const number = next++;
      return { offsets, start: starts[number]!, end: ends[number]! };
    });
    return bestAnswer(context, scores, options);
  });
}
