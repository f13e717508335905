import { InputError, shown } from '../errors.js';
import { pad, type EncodedText } from './encoding.js';
import type { EncodeOptions, TextOrWords, TextTokenizer } from './text-tokenizer.js';

/** Of a call. */
export interface TokenizeOptions extends EncodeOptions {
  /** The second text, or one for each text. */
  readonly text_pair?: TextOrWords | readonly TextOrWords[];
  /** Whether a text is a list of words, to which offsets and word numbers refer then. */
  readonly is_split_into_words?: boolean;
  /** Pads to the longest (`true`), or to `max_length`. False by default. */
  readonly padding?: boolean | 'longest' | 'max_length' | 'do_not_pad';
  readonly pad_to_multiple_of?: number;
  readonly padding_side?: 'left' | 'right';
  /** Gives all windows of a text that is cut, and in `overflow_to_sample_mapping` which text each is of. */
  readonly return_overflowing_tokens?: boolean;
  readonly return_offsets_mapping?: boolean;
  readonly return_special_tokens_mask?: boolean;
}

/** One row for each text, or window. */
export interface BatchEncoding {
  readonly input_ids: number[][];
  readonly token_type_ids: number[][];
  readonly attention_mask: number[][];
  readonly special_tokens_mask?: number[][];
  readonly offset_mapping?: (readonly [start: number, end: number])[][];
  readonly overflow_to_sample_mapping?: number[];
}

interface Core extends Pick<TextTokenizer, 'encodeWindows' | 'model_max_length' | 'padding_side'> {
  /** The token of padding; undefined where there is none. */
  readonly pad: number | undefined;
}

/** @throws InputError where there are not as many second texts as texts, or no length to pad to */
export function encodeBatch(
  { encodeWindows, model_max_length, padding_side, pad: padId }: Core,
  texts: TextOrWords | readonly TextOrWords[],
  options: TokenizeOptions,
): BatchEncoding {
  const { text_pair, is_split_into_words = false, return_overflowing_tokens = false } = options;
  const batch = asBatch('text', texts, is_split_into_words);
  // as transformers has it, an empty second text is none, but for one in a list
  const hasPairs = text_pair !== undefined && !(batch.isOne && text_pair.length === 0);
  const pairs = hasPairs ? asBatch('text_pair', text_pair, is_split_into_words) : undefined;
  if (pairs && (pairs.texts.length !== batch.texts.length || pairs.isOne !== batch.isOne))
    throw new InputError(
      `text_pair: expected ${batch.isOne ? 'one text' : `a list of ${batch.texts.length} texts`}, found ${pairs.isOne ? 'one' : `a list of ${pairs.texts.length}`}`,
    );
  // a length to pad to is none to cut to
  const encodeOptions = options.padding ? { truncation: false, ...options } : options;
  const rows = batch.texts.flatMap((text, sample) => {
    const windows = encodeWindows(text, pairs?.texts[sample], encodeOptions);
    const returned = return_overflowing_tokens ? windows : windows.slice(0, 1);
    return returned.map((encoded) => ({ sample, encoded }));
  });
  const longest = rows.reduce((most, { encoded }) => Math.max(most, encoded.input_ids.length), 0);
  const length = paddedLength(longest, options, model_max_length);
  const side = options.padding_side ?? padding_side;
  if (!['left', 'right'].includes(side))
    throw new InputError(`padding_side: expected left or right, found ${JSON.stringify(side)}`);
  if (length > 0 && padId === undefined)
    throw new InputError('padding: expected a tokenizer with a token for it, found none');
  const padded = rows.map(({ encoded }) =>
    padId === undefined ? encoded : pad(encoded, length, side, padId),
  );
  const column = <Name extends keyof EncodedText>(name: Name) => padded.map((encoded) => encoded[name]);
  return {
    input_ids: column('input_ids'),
    token_type_ids: column('token_type_ids'),
    attention_mask: column('attention_mask'),
    ...(options.return_special_tokens_mask && { special_tokens_mask: column('special_tokens_mask') }),
    ...(options.return_offsets_mapping && { offset_mapping: column('offset_mapping') }),
    ...(return_overflowing_tokens && { overflow_to_sample_mapping: rows.map(({ sample }) => sample) }),
  };
}

/** One text, or a list of them; a text is a list of words where that was said. */
function asBatch(
  name: string,
  given: TextOrWords | readonly TextOrWords[],
  isSplitIntoWords: boolean,
): { readonly texts: readonly TextOrWords[]; readonly isOne: boolean } {
  const isWords = (value: unknown) => Array.isArray(value) && value.every((word) => typeof word === 'string');
  const isText = (value: unknown) => (isSplitIntoWords ? isWords(value) : typeof value === 'string');
  if (isText(given)) return { texts: [given as TextOrWords], isOne: true };
  if (!Array.isArray(given) || given.length === 0 || !given.every(isText))
    throw new InputError(
      `${name}: expected ${isSplitIntoWords ? 'a list of words' : 'a text'}, or a list of such, found ${shown(given)}`,
    );
  return { texts: given as readonly TextOrWords[], isOne: false };
}

function paddedLength(
  longest: number,
  { padding = false, pad_to_multiple_of, max_length, truncation }: TokenizeOptions,
  model_max_length: number,
): number {
  if (padding === false || padding === 'do_not_pad') return 0;
  if (![true, 'longest', 'max_length'].includes(padding))
    throw new InputError(
      `padding: expected longest, max_length or do_not_pad, found ${JSON.stringify(padding)}`,
    );
  const length = padding === 'max_length' ? (max_length ?? model_max_length) : longest;
  if (!Number.isFinite(length)) throw new InputError('padding max_length: expected a max_length');
  const multiple = Math.max(1, pad_to_multiple_of ?? 1);
  if (truncation && max_length !== undefined && max_length % multiple !== 0)
    throw new InputError(
      `pad_to_multiple_of: ${multiple} does not divide the max_length ${max_length} that texts are cut to`,
    );
  return Math.ceil(length / multiple) * multiple;
}
