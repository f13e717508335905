import type { EncodedText } from '../text/encoding.js';
import { softmax } from './scores.js';

/** From one token to another, both included. */
export interface Span {
  readonly start: number;
  readonly end: number;
  /** Probability of its start times that of its end. */
  readonly score: number;
}

export interface SpanOptions {
  /** Tokens. */
  readonly maxLength: number;
  readonly count: number;
  /** The token that stands for no answer. */
  readonly cls: number;
}

/** So low that nothing of it is left in a softmax. */
const excluded = -10_000;

/** The likeliest stretches of a window's context, and the probability that it has no answer. */
export function bestSpans(
  { input_ids, sequence_ids }: EncodedText,
  startLogits: Float32Array,
  endLogits: Float32Array,
  { maxLength, count, cls }: SpanOptions,
): { readonly spans: Span[]; readonly nullScore: number } {
  const isAllowed = (token: number) => sequence_ids[token] === 1 || input_ids[token] === cls;
  const probabilities = (logits: Float32Array) =>
    softmax(logits.map((logit, token) => (isAllowed(token) ? logit : excluded)));
  const starts = probabilities(startLogits);
  const ends = probabilities(endLogits);
  const nullScore = starts[0]! * ends[0]!;
  const spans: Span[] = [];
  for (let start = 1; start < starts.length; start++) {
    if (!isAllowed(start)) continue;
    for (let end = start; end < Math.min(start + maxLength, ends.length); end++)
      if (isAllowed(end)) spans.push({ start, end, score: starts[start]! * ends[end]! });
  }
  return { spans: spans.sort((a, b) => b.score - a.score).slice(0, count), nullScore };
}
