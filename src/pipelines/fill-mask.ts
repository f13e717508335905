import { InputError } from '../errors.js';
import type { MegatronBertForMaskedLM, ModelOf } from '../pretrained/classes.js';
import type { Tokenizer } from '../text/tokenizer.js';

export interface FillMaskOptions {
  /** How many words to suggest for each mask. */
  readonly top_k?: number;
}

/** A word for the mask. */
export interface FilledMask {
  /** Probability. */
  readonly score: number;
  readonly token: number;
  readonly token_str: string;
  /** The text with the word in the mask's place. */
  readonly sequence: string;
}

/**
 * The likeliest words for the mask of a text.
 *
 * @returns the best first; for a text with several masks a list for each
 * @throws InputError where there is no mask, or the text is longer than the model takes
 */
export async function fillMask(
  model: ModelOf<typeof MegatronBertForMaskedLM>,
  tokenizer: Tokenizer,
  text: string,
  { top_k = 5 }: FillMaskOptions = {},
): Promise<FilledMask[] | FilledMask[][]> {
  const { input_ids, token_type_ids, attention_mask } = tokenizer.encode(text);
  const { mask } = tokenizer.tokens;
  const places = input_ids.flatMap((id, i) => (id === mask ? [i] : []));
  if (places.length === 0) throw new InputError(`no ${tokenizer.vocab[mask]!} in "${text}"`);

  const { logits } = await model.forward({
    input_ids: [input_ids],
    token_type_ids: [token_type_ids],
    attention_mask: [attention_mask],
    prediction_positions: [places],
  });
  const width = logits.dims.at(-1)!;
  const filled = places.map((place, i) => {
    // the vocabulary is padded to a round size: words end where the tokenizer's do
    const scores = softmax(logits.data.subarray(i * width, (i + 1) * width));
    return best(scores, tokenizer.vocabSize, top_k).map((token) => ({
      score: scores[token]!,
      token,
      token_str: tokenizer.vocab[token]!,
      sequence: tokenizer.decode(input_ids.with(place, token)),
    }));
  });
  return filled.length === 1 ? filled[0]! : filled;
}

function softmax(logits: Float32Array): Float32Array {
  const greatest = logits.reduce((a, b) => Math.max(a, b));
  const powers = logits.map((logit) => Math.exp(logit - greatest));
  const total = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / total);
}

function best(scores: Float32Array, count: number, top: number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  return order.sort((a, b) => scores[b]! - scores[a]!).slice(0, top);
}
