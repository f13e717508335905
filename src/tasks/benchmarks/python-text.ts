/** Python's notions of whitespace and lines, by which Megatron-LM reads text; JavaScript's `\s` and `trim` are others. */

/** U+001C to U+001F and U+0085 are whitespace to Python only, U+FEFF is to JavaScript only. */
const whitespace = String.raw`[\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]`;
const one = new RegExp(whitespace);
const runs = new RegExp(`${whitespace}+`, 'g');

/** Python's `text.strip()`. */
export function strip(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && one.test(text[start]!)) start++;
  while (start < end && one.test(text[end - 1]!)) end--;
  return text.slice(start, end);
}

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
export const cleanText = (text: string): string =>
  text
    .replace(runs, ' ')
    .replaceAll(' . ', '. ')
    // of stops in a row, every other was passed over, its space being the one before's; a third time, as there, finds none
    .replaceAll(' . ', '. ');
