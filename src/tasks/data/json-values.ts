/** JSON values one after another out of a text that is larger than memory. */
import { parseJson } from '../../checkpoint/unique-json.js';
import { InputError, shown } from '../../errors.js';
import { largestRow, tooLarge } from './row.js';
import { countLines } from './text.js';

export interface JsonReader {
  /** The line that is read, from 1. */
  readonly line: () => number;
  /** The next character that is no white space, which stays there; undefined at the end. */
  readonly peek: () => Promise<string | undefined>;
  /** Passes over the character that is next. @throws InputError where it is another */
  readonly pass: (character: string) => Promise<void>;
  /** The text of the value that begins next, of brackets and strings that end. */
  readonly take: () => Promise<string>;
}

/** @param path named in errors */
export function jsonReader(path: string, pieces: AsyncIterator<string>): JsonReader {
  let text = '';
  let at = 0;
  let line = 1;
  const forward = (to: number) => {
    line += countLines(text.slice(at, to));
    at = to;
  };
  /** Goes to the next piece after the end of one. @returns whether there is one */
  const more = async () => {
    const next = await pieces.next();
    if (next.done === true) return false;
    [text, at] = [next.value, 0];
    return true;
  };
  const peek = async () => {
    for (;;) {
      let to = at;
      while (to < text.length && isSpace(text.charCodeAt(to))) to++;
      forward(to);
      if (at < text.length) return text[at];
      if (!(await more())) return undefined;
    }
  };
  const pass = async (character: string) => {
    const found = await peek();
    if (found !== character)
      throw new InputError(
        `${path}, line ${line}: not JSON: expected ${character}, found ${found === undefined ? 'the end of the file' : shown(found)}`,
      );
    at++;
  };
  const take = async () => {
    await peek();
    const scan = valueScanner();
    const where = `${path}, line ${line}`;
    let taken = '';
    for (;;) {
      const { isDone, read } = scan(text, at);
      taken += text.slice(at, read);
      forward(read);
      if (taken.length > largestRow) throw tooLarge(where);
      if (isDone || !(await more())) return taken;
    }
  };
  return { line: () => line, peek, pass, take };
}

const [quote, backslash, comma, colon] = [0x22, 0x5c, 0x2c, 0x3a];
const isSpace = (code: number) =>
  code === 0x20 || (code >= 0x09 && code <= 0x0d && code !== 0x0b && code !== 0x0c);
const isOpening = (code: number) => code === 0x5b || code === 0x7b;
const isClosing = (code: number) => code === 0x5d || code === 0x7d;

/** Goes through a text from a place on, until the value ends that began there; goes on where more of it is read. */
function valueScanner() {
  let depth = 0;
  let isInString = false;
  let isEscaped = false;
  let isBegun = false;
  return (text: string, from: number): { readonly isDone: boolean; readonly read: number } => {
    for (let i = from; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (isInString) {
        if (isEscaped) isEscaped = false;
        else if (code === backslash) isEscaped = true;
        else if (code === quote) {
          isInString = false;
          if (depth === 0) return { isDone: true, read: i + 1 };
        }
        continue;
      }
      const isBetween = depth === 0 && (isSpace(code) || code === comma || code === colon || isClosing(code));
      if (isBetween || (depth === 0 && isBegun && (isOpening(code) || code === quote)))
        return { isDone: true, read: i };
      isBegun = true;
      if (code === quote) isInString = true;
      else if (isOpening(code)) depth++;
      else if (isClosing(code) && --depth === 0) return { isDone: true, read: i + 1 };
    }
    return { isDone: false, read: text.length };
  };
}

/**
 * A JSON value. Half characters, which only escapes can make, become U+FFFD.
 *
 * @param where of errors
 * @throws InputError where it is none, or deeper than any row
 */
export function parseValue(text: string, where: string): unknown {
  try {
    const value = parseJson(text);
    return /\\u[dD][89a-fA-F]/.test(text) ? wellFormed(value) : value;
  } catch (error) {
    throw new InputError(`${where}: not JSON: ${(error as Error).message}`, { cause: error });
  }
}

function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll(/\p{Surrogate}/gu, '\ufffd');
  if (Array.isArray(value)) return value.map(wellFormed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [wellFormed(key), wellFormed(inner)] as [string, unknown]),
  );
}
