/** What a language model is given, and which of its predictions count. */
import { ignoredLabel } from '../../model/losses.js';

/** As `gpt2Blocks` takes one text: `input_ids` and `labels` of one length, the labels already shifted. */
export interface LabelledTokens {
  readonly input_ids: Int32Array;
  /** The token that each position is to predict, which is the next; −100 where it does not count. */
  readonly labels: Int32Array;
}

/**
 * @param tokens 1 to `length` + 1 of them; the last is also an input where there is room, which no label depends on
 * @param first position of the first prediction that counts; all after it do
 * @param pad what fills the inputs up to `length`: a causal model's predictions before it do not depend on it
 */
export function labelTokens(
  tokens: ArrayLike<number>,
  first: number,
  length: number,
  pad: number,
): LabelledTokens {
  const input_ids = Int32Array.from({ length }, (_, position) => tokens[position] ?? pad);
  const labels = Int32Array.from({ length }, (_, position) =>
    position < first ? ignoredLabel : (tokens[position + 1] ?? ignoredLabel),
  );
  return { input_ids, labels };
}
