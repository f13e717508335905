/**
 * How BERT makes words of a text, as the Rust tokenizers' BertNormalizer and BertPreTokenizer do it. Those of
 * `@huggingface/tokenizers` do not say where in the text a word stands, and differ in some characters.
 */
import {
  accent,
  characterFlags,
  chinese,
  decompose,
  punctuation,
  removed,
  whitespace,
} from './characters.js';

/** The fields of tokenizer.json's `normalizer`. */
export interface BertNormalizer {
  readonly type: 'BertNormalizer';
  /** Leaves control characters out. */
  readonly clean_text: boolean;
  /** Makes a word of every Chinese character. */
  readonly handle_chinese_chars: boolean;
  /** Null: where the case goes, accents go too. */
  readonly strip_accents: boolean | null;
  readonly lowercase: boolean;
}

export const bertNormalizer = (lowercase: boolean, strip_accents: boolean | null = null): BertNormalizer => ({
  type: 'BertNormalizer',
  clean_text: true,
  handle_chinese_chars: true,
  strip_accents,
  lowercase,
});

/** A text as the normalizer leaves it; unit i of it came from what stands at `starts[i]` to `ends[i]`. */
export interface NormalizedText {
  readonly text: string;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

/** Characters that keep their places. */
const plain = /^[ -~]*$/;
/** The places of a short text of such characters. */
const plainStarts = Array.from({ length: 64 }, (_, place) => place);
const plainEnds = plainStarts.map((place) => place + 1);

export function normalize(text: string, normalizer: BertNormalizer): NormalizedText {
  if (text.length <= plainStarts.length && plain.test(text))
    return { text: normalizer.lowercase ? text.toLowerCase() : text, starts: plainStarts, ends: plainEnds };
  const { clean_text, handle_chinese_chars, lowercase } = normalizer;
  const stripsAccents = normalizer.strip_accents ?? lowercase;
  let result = '';
  const starts: number[] = [];
  const ends: number[] = [];
  let end = 0;
  while (end < text.length) {
    const start = end;
    const codePoint = text.codePointAt(start)!;
    end = start + (codePoint > 0xffff ? 2 : 1);
    const flags = characterFlags(codePoint);
    if (clean_text && flags & removed) continue;
    let written = String.fromCodePoint(codePoint);
    if (clean_text && flags & whitespace) written = ' ';
    if (stripsAccents && codePoint > 0x7f) written = withoutAccents(written);
    if (lowercase) written = written.toLowerCase();
    if (handle_chinese_chars && flags & chinese) written = ` ${written} `;
    result += written;
    for (let i = 0; i < written.length; i++) {
      starts.push(start);
      ends.push(end);
    }
  }
  return { text: result, starts, ends };
}

function withoutAccents(character: string): string {
  let kept = '';
  for (const part of decompose(character)) if (!(characterFlags(part.codePointAt(0)!) & accent)) kept += part;
  return kept;
}

/** A stretch of a normalized text. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** Words between white space; each sign of punctuation is one. */
export function splitWords(text: string, from = 0, to = text.length): Stretch[] {
  const words: Stretch[] = [];
  let start = from;
  const endWord = (end: number) => {
    if (end > start) words.push({ from: start, to: end });
  };
  for (let place = from; place < to;) {
    const codePoint = text.codePointAt(place)!;
    const next = place + (codePoint > 0xffff ? 2 : 1);
    const flags = characterFlags(codePoint);
    if (flags & (whitespace | punctuation)) {
      endWord(place);
      start = place;
      if (flags & punctuation) endWord(next);
      start = next;
    }
    place = next;
  }
  endWord(to);
  return words;
}

/** What stands between white space that no normalizer removes: words are made within each alone. */
export const chunkPattern = /[^\t\n\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/g;

/** The same text, which keeps no longer one in memory that it was cut out of. */
export const detached = (text: string): string => ` ${text}`.slice(1);
