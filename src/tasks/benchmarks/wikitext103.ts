/** Perplexity of WikiText103's test set, with overlapping windows: Megatron-LM's task WIKITEXT103 (tasks/zeroshot_gpt). */
import { InputError } from '../../errors.js';
import { detokenizeWikitext } from './detokenizers.js';
import { labelTokens, type LabelledTokens } from './labelled-tokens.js';
import { strip } from './python-text.js';

export interface Wikitext103 {
  /** Of the detokenised text. */
  readonly tokens: Int32Array;
  /** What the text as it is falls into at each single space: line ends count, by which perplexities are published. */
  readonly originalTokens: number;
}

/** @param text the whole of `wiki.test.tokens` @param encode without special tokens */
export function readWikitext103(text: string, encode: (text: string) => ArrayLike<number>): Wikitext103 {
  return {
    tokens: Int32Array.from(encode(detokenizeWikitext(text))),
    originalTokens: strip(text).split(' ').length,
  };
}

export interface WindowOptions {
  /** Tokens that the model is given at once: 1,024 in the publication. */
  readonly sequenceLength: number;
  /** Tokens from one window to the next, at most `sequenceLength`: 32 in the publication (`--overlapping-eval`). */
  readonly stride: number;
  /** The token that fills up the last windows: `<|endoftext|>`, there. */
  readonly pad: number;
}

/**
 * How many windows predict all tokens but the first: ⌈(T − 1 − s) / o⌉ after the first, of T tokens, s in a window,
 * o from one to the next. Megatron-LM has ⌈(T − 1 − o) / o⌉, of which the last have nothing to predict.
 */
export const countWindows = (
  tokens: number,
  { sequenceLength, stride }: Omit<WindowOptions, 'pad'>,
): number => 1 + Math.ceil(Math.max(0, tokens - 1 - sequenceLength) / stride);

/**
 * Window i begins at token i · `stride`. All predictions of the first count, and of the others the last `stride`, which
 * see the more before them: each token but the first of the text counts once.
 *
 * @throws InputError for fewer than two tokens, or a stride that would leave tokens out
 */
export function* wikitext103Windows(tokens: Int32Array, options: WindowOptions): Generator<LabelledTokens> {
  const { sequenceLength, stride, pad } = options;
  if (!(Number.isInteger(stride) && stride >= 1 && stride <= sequenceLength))
    throw new InputError(
      `stride: expected 1 to ${sequenceLength}, the tokens of a window, found ${stride}: tokens between windows would not count`,
    );
  requireTokens(tokens.length);
  const count = countWindows(tokens.length, options);
  for (let window = 0; window < count; window++) {
    const start = window * stride;
    const first = window === 0 ? 0 : sequenceLength - stride;
    yield labelTokens(tokens.subarray(start, start + sequenceLength + 1), first, sequenceLength, pad);
  }
}

export interface Wikitext103Result {
  /** Nats a token. */
  readonly loss: number;
  /** Of tokens: depends on the vocabulary. */
  readonly perplexity: number;
  /** Of words, by which models of any vocabulary compare: the published one. */
  readonly adjustedPerplexity: number;
  /** Predicted tokens for each predicted word. */
  readonly tokenRatio: number;
}

/** No perplexity is greater than that of this loss. */
const largestLoss = 20;

/**
 * L = Σ loss / (T − 1), exp L, and exp (L · r) with r = (T − 1) / (W − 1), of T tokens and W words.
 *
 * @param lossSum nats, over all predictions that count
 */
export function wikitext103Result({
  lossSum,
  tokens,
  originalTokens,
}: {
  readonly lossSum: number;
  readonly tokens: number;
  readonly originalTokens: number;
}): Wikitext103Result {
  requireTokens(tokens);
  if (originalTokens < 2)
    throw new InputError(`WikiText103: expected at least two words, found ${originalTokens}`);
  const loss = lossSum / (tokens - 1);
  const tokenRatio = (tokens - 1) / (originalTokens - 1);
  const perplexityOf = (nats: number) => Math.exp(Math.min(largestLoss, nats));
  return {
    loss,
    perplexity: perplexityOf(loss),
    adjustedPerplexity: perplexityOf(loss * tokenRatio),
    tokenRatio,
  };
}

function requireTokens(count: number): void {
  if (count < 2) throw new InputError(`WikiText103: expected at least two tokens, found ${count}`);
}
