/**
 * A data set for training: of a large one nothing is held in memory. Reading does not wait for other work: it takes
 * microseconds where the file is in the system's cache.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { openFile } from '../../checkpoint/byte-source.js';
import { InputError } from '../../errors.js';
import { readLayout } from './index-file.js';
import { int64Numbers } from './number-blocks.js';
import { requireFiles } from './open.js';
import { tokensOf, tokenTypes, type Tokens } from './token-types.js';

export interface Sequences {
  readonly prefix: string;
  readonly count: number;
  readonly documentCount: number;
  readonly tokenCount: number;
  /** Tokens of each sequence from one up to, but not, another. */
  readonly lengths: (first: number, end: number) => Int32Array;
  /** The first sequence of each document from one up to, but not, another; after the last document, the number of sequences. */
  readonly documentStarts: (first: number, end: number) => Float64Array;
  /** Where a sequence begins, in tokens. */
  readonly place: (sequence: number) => number;
  /** Where each sequence from one up to, but not, another begins. */
  readonly places: (first: number, end: number) => Float64Array;
  /** So many tokens from a place on. */
  readonly tokens: (place: number, count: number) => Tokens;
  readonly close: () => void;
}

/** @throws InputError where a file is missing, or the index is not of the size that its header says */
export async function openSequences(prefix: string): Promise<Sequences> {
  const names = await requireFiles(prefix);
  const source = await openFile(names.index);
  const layout = await readLayout(source).finally(source.close);
  const { dtype, sequences, documentEntries, lengths, documents } = layout;
  const index = openBytes(names.index);
  const data = openBytes(names.data);
  const { bytes } = tokenTypes[dtype];
  const tokenCount = data.size / bytes;

  const placesOf = (first: number, end: number) =>
    index
      .int64(layout.places.offset + 8 * first, end - first)
      .map((place) => (place * layout.places.unit) / bytes);
  const toLength = (length: number) => {
    if (length !== (length | 0))
      throw new InputError(`${names.index}: expected lengths below 2³¹, found ${length}`);
    return length;
  };
  const lengthsOf = (first: number, end: number) =>
    lengths.bytes === 4
      ? new Int32Array(index.read(lengths.offset + 4 * first, 4 * (end - first)).buffer)
      : Int32Array.from(index.int64(lengths.offset + 8 * first, end - first), toLength);
  const tokensFrom = (first: number, end: number) =>
    tokensOf(data.read(first * bytes, (end - first) * bytes), dtype, names.data);
  const places = index.isHeld ? hold(placesOf, sequences) : placesOf;
  const tokens = data.isHeld ? hold(tokensFrom, tokenCount) : tokensFrom;
  return {
    prefix,
    count: sequences,
    documentCount: documentEntries - 1,
    tokenCount,
    lengths: index.isHeld ? hold(lengthsOf, sequences) : lengthsOf,
    documentStarts: (first, end) => index.int64(documents.offset + 8 * first, end - first),
    place: (sequence) => (sequence === sequences ? tokenCount : places(sequence, sequence + 1)[0]!),
    places,
    tokens: (at, count) => tokens(at, at + count),
    close() {
      index.close();
      data.close();
    },
  };
}

/** Reads all numbers once: stretches are views of them, which are not to be written to. What is not there `read` refuses. */
function hold<Numbers extends Int32Array | Uint16Array | Float64Array>(
  read: (first: number, end: number) => Numbers,
  count: number,
) {
  const all = read(0, count);
  return (first: number, end: number): Numbers =>
    first >= 0 && first <= end && end <= count ? (all.subarray(first, end) as Numbers) : read(first, end);
}

/** Bytes of a file that is held: reading a few takes as long as making a sample of them. */
const largestHeld = 2 ** 24;

function openBytes(name: string) {
  const file = openSync(name, 'r');
  const { size } = fstatSync(file);
  const readFile = (offset: number, length: number): Buffer => {
    const bytes = Buffer.allocUnsafeSlow(length);
    for (let done = 0; done < length;) {
      const count = readSync(file, bytes, done, length - done, offset + done);
      if (count === 0) throw new InputError(`${name}: the file has become shorter since it was opened`);
      done += count;
    }
    return bytes;
  };
  const held = size <= largestHeld ? readFile(0, size) : undefined;
  /** At the beginning of a buffer of their own. */
  const read = (offset: number, length: number): Buffer => {
    if (!(offset >= 0 && length >= 0 && offset + length <= size))
      throw new InputError(`${name}: ${length} bytes at ${offset} are not in its ${size} bytes`);
    if (!held) return readFile(offset, length);
    const bytes = Buffer.allocUnsafeSlow(length);
    held.copy(bytes, 0, offset, offset + length);
    return bytes;
  };
  return {
    size,
    isHeld: held !== undefined,
    read,
    int64: (offset: number, count: number) => int64Numbers(read(offset, 8 * count)),
    close: () => {
      closeSync(file);
    },
  };
}

/** Sequences that are looked at at once. */
const block = 2 ** 16;

/** Reads the whole index once. @throws InputError where it disagrees with itself or with the data */
export function requireConsistent({
  prefix,
  count,
  documentCount,
  tokenCount,
  ...sequences
}: Sequences): void {
  let expected = 0;
  for (let first = 0; first < count; first += block) {
    const end = Math.min(count, first + block);
    const places = sequences.places(first, end);
    for (const [i, length] of sequences.lengths(first, end).entries()) {
      if (length < 0 || places[i] !== expected)
        throw new InputError(
          `${prefix}.idx: sequence ${first + i}: expected a length of 0 or more and a beginning at token ${expected}, found ${length} at ${places[i]!}`,
        );
      expected += length;
    }
  }
  if (expected !== tokenCount)
    throw new InputError(
      `${prefix}.bin: expected ${expected} tokens, as ${prefix}.idx says, found ${tokenCount}`,
    );
  let before = 0;
  for (let first = 0; first <= documentCount; first += block) {
    const end = Math.min(documentCount + 1, first + block);
    for (const [i, start] of sequences.documentStarts(first, end).entries()) {
      const most = first + i === 0 ? 0 : count;
      if (start < before || start > most)
        throw new InputError(
          `${prefix}.idx: document ${first + i}: expected a first sequence from ${before} to ${most}, found ${start}`,
        );
      before = start;
    }
  }
  if (documentCount < 0 || before !== count)
    throw new InputError(
      `${prefix}.idx: expected documents up to sequence ${count}, found them to end at ${before}`,
    );
}

/** Sequences `first` up to, but not, `end`. */
export interface SequenceRange {
  readonly first: number;
  readonly end: number;
}

/** Documents of a range one by one; of those that reach over its ends, what is inside. */
export function* documentsIn(
  sequences: Sequences,
  { first, end }: SequenceRange,
): Generator<{ readonly first: number; readonly lengths: Int32Array }> {
  const lengthsOf = bufferedLengths(sequences);
  let start = first;
  for (let document = 1; document <= sequences.documentCount; document += block) {
    const last = Math.min(sequences.documentCount + 1, document + block);
    for (const next of sequences.documentStarts(document, last)) {
      if (start === end) return;
      if (next <= start) continue;
      const stop = Math.min(next, end);
      yield { first: start, lengths: lengthsOf(start, stop) };
      start = stop;
    }
  }
}

function bufferedLengths(sequences: Sequences) {
  let first = 0;
  let buffered: Int32Array = new Int32Array();
  return (from: number, end: number) => {
    if (from < first || end > first + buffered.length) {
      first = from;
      buffered = sequences.lengths(from, Math.min(sequences.count, Math.max(end, from + block)));
    }
    return buffered.subarray(from - first, end - first);
  };
}
