import { InputError } from '../errors.js';
import type { EncodedText } from '../text/encoding.js';
import { bestSpans, type Span } from './answer-spans.js';
import { requireText, toExample, type Task } from './task.js';

export interface QuestionInput {
  readonly question: string;
  readonly context: string;
}

export interface QuestionAnsweringOptions {
  /** How many answers to give; 1 by default. */
  readonly top_k?: number;
  /** Tokens that windows of a long context share; half of `max_seq_len`, and at most 128, by default. */
  readonly doc_stride?: number;
  /** Tokens of the longest answer; 15 by default. */
  readonly max_answer_len?: number;
  /** Tokens of question and context together; 384 by default. */
  readonly max_seq_len?: number;
  /** Whether "no answer" is one, which is the empty text; false by default. */
  readonly handle_impossible_answer?: boolean;
  /** Whether answers are whole words; true by default. */
  readonly align_to_words?: boolean;
}

export interface Answer {
  /** Probability; equal answers' of several places added up. */
  readonly score: number;
  /** In UTF-16 units: `context.slice(start, end)`. */
  readonly start: number;
  readonly end: number;
  readonly answer: string;
}

/** Stretches of the context that answer the question: one, or several with the best first. */
export const questionAnswering: Task<QuestionInput, QuestionAnsweringOptions, Answer | Answer[]> = (
  model,
  options,
) => {
  const {
    top_k = 1,
    max_answer_len = 15,
    max_seq_len = Math.min(model.longest, 384),
    doc_stride = Math.min(Math.floor(max_seq_len / 2), 128),
    handle_impossible_answer = false,
    align_to_words = true,
  } = options;
  for (const [name, value] of Object.entries({ top_k, max_answer_len }))
    if (!(value >= 1)) throw new InputError(`${name}: expected 1 or more, found ${value}`);
  return ({ question, context }) => {
    for (const [name, value] of Object.entries({ question, context })) {
      requireText(name, value);
      if (value === '') throw new InputError(`${name}: expected a text, found an empty one`);
    }
    const windows = model.tokenizer.encodeWindows(question, context, {
      truncation: 'only_second',
      max_length: max_seq_len,
      stride: doc_stride,
    });
    return {
      examples: windows.map((window) => toExample(window, model)),
      finish(outputs) {
        const answers = new Map<string, Answer>();
        let nullScore = Infinity;
        windows.forEach((window, i) => {
          const { start_logits, end_logits } = outputs[i]!;
          const found = bestSpans(window, start_logits!.data, end_logits!.data, {
            maxLength: max_answer_len,
            // some of them become one when they are widened to words
            count: align_to_words ? top_k * 2 + 10 : top_k,
            cls: model.tokenizer.tokens.cls,
          });
          nullScore = Math.min(nullScore, found.nullScore);
          for (const span of found.spans) {
            const [start, end] = align_to_words ? wordsOf(window, span) : charactersOf(window, span);
            const answer = context.slice(start, end);
            const known = answers.get(answer.toLowerCase());
            const score = (known?.score ?? 0) + span.score;
            answers.set(answer.toLowerCase(), { ...(known ?? { start, end, answer }), score });
          }
        });
        const all = [...answers.values()];
        if (handle_impossible_answer) all.push({ score: nullScore, start: 0, end: 0, answer: '' });
        const best = all.sort((a, b) => b.score - a.score).slice(0, top_k);
        return best.length === 1 ? best[0]! : best;
      },
    };
  };
};

const charactersOf = ({ offset_mapping }: EncodedText, { start, end }: Span): [number, number] => [
  offset_mapping[start]![0],
  offset_mapping[end]![1],
];

/** From the start of the first token's word to the end of the last one's, as far as the window shows them. */
function wordsOf(
  { offset_mapping, word_ids, sequence_ids }: EncodedText,
  { start, end }: Span,
): [number, number] {
  const isContext = (token: number) => sequence_ids[token] === 1;
  let first = start;
  while (isContext(first - 1) && word_ids[first - 1] === word_ids[start]) first--;
  let last = end;
  while (isContext(last + 1) && word_ids[last + 1] === word_ids[end]) last++;
  return [offset_mapping[first]![0], offset_mapping[last]![1]];
}
