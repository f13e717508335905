/** Where a stretch of a file can be cut, so that its parts are encoded as the whole is. */
import { InputError } from '../../errors.js';
import type { DocumentsBy } from './options.js';

const newline = 0x0a;
const space = 0x20;

export interface Cut {
  /** Bytes before it. */
  readonly at: number;
  /** Whether it is inside a document. */
  readonly inDocument: boolean;
}

/** Bytes of a line of JSON, which is parsed as a whole. */
export const longestLine = 2 ** 28;
/** Bytes of a document, or a paragraph of one, that are kept together. */
export const longestText = 2 ** 24;

/** @param offset of the bytes in their file @returns the last place for a cut; undefined where more must be read first */
export type FindCut = (bytes: Buffer, offset: number) => Cut | undefined;

/** After a line. */
export const cutLines =
  (file: string): FindCut =>
  (bytes, offset) => {
    const at = bytes.lastIndexOf(newline) + 1;
    if (at === 0 && bytes.length >= longestLine)
      throw new InputError(
        `${file}: expected lines of less than ${longestLine} bytes, found a longer one at byte ${offset}`,
      );
    return at > 0 ? { at, inDocument: false } : undefined;
  };

/** Between documents or, where one is a whole file, between paragraphs; where they are too long, between words. */
export const cutText =
  (documentsBy: DocumentsBy): FindCut =>
  (bytes) => {
    const isLong = bytes.length >= longestText;
    const between = documentsBy === 'line' ? bytes.lastIndexOf(newline) + 1 : afterBlankLine(bytes);
    if (documentsBy !== 'file') {
      if (between > 0) return { at: between, inDocument: false };
    } else if (between > 0) {
      // text on both sides, so that the end of the document is not left alone
      const hasText = !isBlank(bytes.subarray(0, between)) && !isBlank(bytes.subarray(between));
      // before white space, of which GPT-2's tokens depend on what comes after it
      if (hasText || isLong) return { at: spaceStart(bytes, between) || between, inDocument: true };
    }
    if (!isLong) return undefined;
    const word = Math.max(bytes.lastIndexOf(newline), bytes.lastIndexOf(space), 0);
    return { at: spaceStart(bytes, word) || characterStart(bytes), inDocument: true };
  };

function afterBlankLine(bytes: Buffer): number {
  let end = bytes.lastIndexOf(newline);
  while (end > 0) {
    const before = bytes.lastIndexOf(newline, end - 1);
    if (before < 0) return 0;
    if (isBlank(bytes.subarray(before, end))) return end + 1;
    end = before;
  }
  return 0;
}

/** Of the white space before a place. */
function spaceStart(bytes: Buffer, end: number): number {
  let start = end;
  while (start > 0 && bytes[start - 1]! <= space) start--;
  return start;
}

const isBlank = (bytes: Uint8Array) => bytes.every((byte) => byte <= space);

/** Of the last character, which may not be all there. */
function characterStart(bytes: Buffer): number {
  let at = bytes.length - 1;
  while (at > bytes.length - 4 && (bytes[at]! & 0xc0) === 0x80) at--;
  return at;
}
