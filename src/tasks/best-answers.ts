/** The best answers of a question from the scores of its context's windows (transformers' `utils_qa.py`). */
import type { TaskOptions } from './task.js';

export interface WindowScores {
  /** Begin and end of each token in the context; −1 for one that is not of it. */
  readonly offsets: Int32Array;
  readonly start: ArrayLike<number>;
  readonly end: ArrayLike<number>;
}

export interface Candidate {
  readonly start_logit: number;
  readonly end_logit: number;
  readonly text: string;
  readonly probability: number;
}

export interface FoundAnswer {
  /** Empty for none. */
  readonly text: string;
  /** The best ones, the most likely first. */
  readonly best: readonly Candidate[];
  /** By how much none is likelier than the best answer. */
  readonly nullOdds: number;
}

interface Span {
  readonly text: string;
  readonly start_logit: number;
  readonly end_logit: number;
}

const scoreOf = ({ start_logit, end_logit }: Span) => start_logit + end_logit;

export function bestAnswer(
  context: string,
  windows: readonly WindowScores[],
  options: Pick<
    TaskOptions,
    'n_best_size' | 'max_answer_length' | 'version_2_with_negative' | 'null_score_diff_threshold'
  >,
): FoundAnswer {
  const { n_best_size, max_answer_length, version_2_with_negative, null_score_diff_threshold } = options;
  const spans: Span[] = [];
  let none: Span | undefined;
  for (const { offsets, start, end } of windows) {
    const own = { text: '', start_logit: start[0]!, end_logit: end[0]! };
    if (!none || scoreOf(own) < scoreOf(none)) none = own;
    const ends = greatest(end, n_best_size);
    for (const first of greatest(start, n_best_size))
      for (const last of ends) {
        const [from, to] = [offsets[2 * first]!, offsets[2 * last + 1]!];
        if (from < 0 || to < 0 || last < first || last - first + 1 > max_answer_length) continue;
        spans.push({ text: context.slice(from, to), start_logit: start[first]!, end_logit: end[last]! });
      }
  }
  const all = version_2_with_negative ? [...spans, none!] : spans;
  let best = all.sort((a, b) => scoreOf(b) - scoreOf(a)).slice(0, n_best_size);
  if (version_2_with_negative && !best.some(({ text }) => text === '')) best = [...best, none!];
  // as there, so that there is always something to answer
  if (best.length === 0 || (best.length === 1 && best[0]!.text === ''))
    best = [{ text: 'empty', start_logit: 0, end_logit: 0 }, ...best];
  const probabilities = softmax(best.map(scoreOf));
  const candidates = best.map((span, i) => ({ ...span, probability: probabilities[i]! }));
  const answer = candidates.find(({ text }) => text !== '')!;
  const nullOdds = none ? scoreOf(none) - scoreOf(answer) : 0;
  const isNone = version_2_with_negative && nullOdds > null_score_diff_threshold;
  return { text: isNone ? '' : answer.text, best: candidates, nullOdds };
}

/** The places of the greatest numbers, greatest first, equal ones from the end, as numpy's reversed argsort has most of them. */
const greatest = (values: ArrayLike<number>, count: number): number[] =>
  Array.from({ length: values.length }, (_, i) => i)
    .sort((a, b) => values[b]! - values[a]! || b - a)
    .slice(0, count);

function softmax(values: readonly number[]): number[] {
  const most = Math.max(...values);
  const exponentials = values.map((value) => Math.exp(value - most));
  const total = exponentials.reduce((sum, x) => sum + x, 0);
  return exponentials.map((x) => x / total);
}
