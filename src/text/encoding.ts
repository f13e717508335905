import type { Pieces } from './pieces.js';
import type { Window } from './truncation.js';

/** What a model takes for a text or pair of texts, special tokens included; place i of each list is about token i. */
export interface EncodedText {
  readonly input_ids: number[];
  /** 0 for the first text, 1 for the second. */
  readonly token_type_ids: number[];
  /** 1 for a token, 0 for padding. */
  readonly attention_mask: number[];
  /** 1 for a token that is not of a text. */
  readonly special_tokens_mask: number[];
  /** Where in its text a token stands, in UTF-16 units: `text.slice(start, end)`. [0, 0] for special ones. */
  readonly offset_mapping: (readonly [start: number, end: number])[];
  /** The number of a token's word in its text; null for special ones. */
  readonly word_ids: (number | null)[];
  /** Which text a token is of; null for special ones. */
  readonly sequence_ids: (number | null)[];
}

const nowhere = [0, 0] as const;

const emptyText = (): EncodedText => ({
  input_ids: [],
  token_type_ids: [],
  attention_mask: [],
  special_tokens_mask: [],
  offset_mapping: [],
  word_ids: [],
  sequence_ids: [],
});

function addSpecial(encoded: EncodedText, id: number, type: number): void {
  encoded.input_ids.push(id);
  encoded.token_type_ids.push(type);
  encoded.attention_mask.push(1);
  encoded.special_tokens_mask.push(1);
  encoded.offset_mapping.push(nowhere);
  encoded.word_ids.push(null);
  encoded.sequence_ids.push(null);
}

function addPieces(
  encoded: EncodedText,
  { ids, starts, ends, words }: Pieces,
  [from, to]: Window,
  type: number,
): void {
  for (let i = from; i < to; i++) {
    encoded.input_ids.push(ids[i]!);
    encoded.token_type_ids.push(type);
    encoded.attention_mask.push(1);
    encoded.special_tokens_mask.push(0);
    encoded.offset_mapping.push([starts[i]!, ends[i]!]);
    encoded.word_ids.push(words[i]!);
    encoded.sequence_ids.push(type);
  }
}

/**
 * Puts texts together as `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`.
 *
 * @param windows what of each text is taken
 * @param special null for none
 */
export function assemble(
  texts: readonly Pieces[],
  windows: readonly Window[],
  special: { readonly cls: number; readonly sep: number } | null,
): EncodedText {
  const encoded = emptyText();
  if (special) addSpecial(encoded, special.cls, 0);
  texts.forEach((text, type) => {
    addPieces(encoded, text, windows[type]!, type);
    if (special) addSpecial(encoded, special.sep, type);
  });
  return encoded;
}

/** What padding is, in each list. */
const filling = {
  token_type_ids: 0,
  attention_mask: 0,
  special_tokens_mask: 1,
  offset_mapping: nowhere,
  word_ids: null,
  sequence_ids: null,
};

/** @param input_ids the token of padding */
export function pad(
  encoded: EncodedText,
  length: number,
  side: 'left' | 'right',
  input_ids: number,
): EncodedText {
  const missing = length - encoded.input_ids.length;
  if (missing <= 0) return encoded;
  const padded = Object.entries({ ...filling, input_ids }).map(([name, value]): [string, unknown[]] => {
    const own = encoded[name as keyof EncodedText] as unknown[];
    const padding = new Array<unknown>(missing).fill(value);
    return [name, side === 'right' ? [...own, ...padding] : [...padding, ...own]];
  });
  return Object.fromEntries(padded) as unknown as EncodedText;
}
