/** Python's notions of whitespace and lines, by which Megatron-LM reads text; JavaScript's `\s` and `trim` are others. */

/** U+001C to U+001F and U+0085 are whitespace to Python only, U+FEFF is to JavaScript only. */
const whitespace = String.raw`[\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]`;
const ends = new RegExp(`^${whitespace}+|${whitespace}+$`, 'g');
const runs = new RegExp(`${whitespace}+`, 'g');

/** Python's `text.strip()`. */
export const strip = (text: string): string => text.replace(ends, '');

/** Python's `text.split()`. */
export const splitWords = (text: string): string[] => text.split(runs).filter((word) => word !== '');

/** The lines of a file that Python opens as text: it ends them at `\n`, `\r` and `\r\n`, and the last may have no end. */
export function linesOf(text: string): string[] {
  const lines = text.split(/\r\n|\r|\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/**
 * Whitespace as single spaces, and no space before a full stop that stands alone: Megatron-LM's `clean_text`
 * (tasks/data_utils.py), by which all texts of MNLI, QQP and RACE go.
 */
export function cleanText(text: string): string {
  let cleaned = text.replace(runs, ' ');
  // of stops in a row, each pass misses those whose space belongs to the one before
  for (let pass = 0; pass < 3; pass++) cleaned = cleaned.replaceAll(' . ', '. ');
  return cleaned;
}
