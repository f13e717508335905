/** Text files in UTF-8, as what they are: other encodings are refused, not guessed. */
import { isUtf8 } from 'node:buffer';
import { openFile } from '../../checkpoint/byte-source.js';
import { openByteStream } from '../../data/preprocess/byte-stream.js';
import { splitName } from '../../data/preprocess/inputs.js';
import { requireWholeZstd } from '../../data/preprocess/zstd-frames.js';
import { InputError } from '../../errors.js';
import { largestRow, tooLarge } from './row.js';

const advice = 'convert the file to UTF-8, as with iconv -f LATIN1 -t UTF-8';

/**
 * The text of a file in pieces, of whole characters, without a byte order mark. `.gz` and `.zst` are decompressed.
 *
 * @throws InputError where it is not UTF-8, naming the byte and the line
 */
export async function* readText(path: string): AsyncGenerator<string> {
  const { compression } = splitName(path);
  // not a pipe, for which opening would wait
  await (await openFile(path)).close();
  if (compression === 'zstd') await requireWholeZstd(path);
  const { blocks } = openByteStream({ path, compression }, 0);
  let rest: Buffer = Buffer.alloc(0);
  let offset = 0;
  let line = 1;
  const decode = (bytes: Buffer) => {
    const text = bytes.toString();
    // an ASCII text in UTF-16 is UTF-8 with zeros between
    if (!isUtf8(bytes) || bytes.includes(0)) throw notUtf8(path, bytes, text, offset, line);
    offset += bytes.length;
    line += countLines(text);
    return text;
  };
  let isFirst = true;
  for await (const block of blocks) {
    const bytes = Buffer.concat([rest, block]);
    if (bytes.length < 4) {
      rest = bytes;
      continue;
    }
    if (isFirst) requireNoUtf16(path, bytes);
    const end = endOfCharacters(bytes);
    const text = decode(bytes.subarray(0, end));
    yield isFirst ? withoutMark(text) : text;
    isFirst = false;
    rest = bytes.subarray(end);
  }
  if (isFirst) requireNoUtf16(path, rest);
  const text = decode(rest);
  if (text !== '') yield isFirst ? withoutMark(text) : text;
}

const withoutMark = (text: string) => (text.startsWith('\ufeff') ? text.slice(1) : text);

/** Where the last character begins that may go on after the bytes. */
function endOfCharacters(bytes: Buffer): number {
  for (let back = 1; back <= 3; back++) {
    const byte = bytes[bytes.length - back]!;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    if (length > back) return bytes.length - back;
    if (byte < 0x80 || byte >= 0xc0) break;
  }
  return bytes.length;
}

function requireNoUtf16(path: string, bytes: Buffer): void {
  const mark = bytes.subarray(0, 2).toString('latin1');
  if (mark === '\xff\xfe' || mark === '\xfe\xff')
    throw new InputError(
      `${path}, line 1: expected text in UTF-8, found the mark of UTF-16 at byte 0: convert the file to UTF-8, as with iconv -f UTF-16 -t UTF-8`,
    );
}

/** @param text what is read of the bytes with U+FFFD in place of what is wrong */
function notUtf8(path: string, bytes: Buffer, text: string, before: number, line: number): InputError {
  let [offset, at] = [0, 0];
  for (const { index } of text.matchAll(/\ufffd|\0/g)) {
    offset += Buffer.byteLength(text.slice(at, index));
    at = index;
    // the character itself may be in the text
    if (bytes[offset] !== 0xef) break;
  }
  const where = `${path}, line ${line + countLines(text.slice(0, at))}`;
  const found = bytes[offset]!.toString(16).padStart(2, '0');
  return new InputError(
    `${where}: expected text in UTF-8, found the byte 0x${found} at byte ${before + offset}: ${advice}`,
  );
}

export function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count++;
  return count;
}

/** A line of a file. */
export interface Line {
  /** Without its end. */
  readonly text: string;
  /** From 1. */
  readonly number: number;
}

/** Lines without `\n` or `\r\n`. @throws InputError where they are not UTF-8, or one is too long to be a row */
export async function* readLines(path: string): AsyncGenerator<Line> {
  for await (const { text, number } of readRawLines(path)) yield { text: withoutReturn(text), number };
}

/** Lines without `\n`, which a `\r` may be before. @throws InputError as `readLines` */
export async function* readRawLines(path: string): AsyncGenerator<Line> {
  let number = 1;
  let open = '';
  for await (const piece of readText(path)) {
    let start = 0;
    for (let end = piece.indexOf('\n'); end >= 0; end = piece.indexOf('\n', start)) {
      yield { text: open + piece.slice(start, end), number: number++ };
      open = '';
      start = end + 1;
    }
    open += piece.slice(start);
    if (open.length > largestRow) throw tooLarge(`${path}, line ${number}`);
  }
  if (open !== '') yield { text: open, number };
}

export const withoutReturn = (text: string) => (text.endsWith('\r') ? text.slice(0, -1) : text);
