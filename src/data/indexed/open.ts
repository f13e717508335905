import { openFile, readBytes } from '../../checkpoint/byte-source.js';
import { exists } from '../../checkpoint/paths.js';
import { InputError } from '../../errors.js';
import type { DatasetIndex } from './index-contents.js';
import { readIndex } from './index-file.js';
import { tokensOf, tokenTypes, type Tokens } from './token-types.js';

/** A data set of Megatron-LM: sequences of token ids (sentences, or whole documents), and which make a document. */
export interface IndexedDataset extends DatasetIndex {
  readonly prefix: string;
  readonly sequenceCount: number;
  readonly documentCount: number;
  /** Some of a sequence's tokens; all by default. @throws InputError where it has no such tokens */
  read(sequence: number, from?: number, length?: number): Promise<Tokens>;
  /** Sequences that follow one another, in one reading, as views of the same memory. */
  readMany(first: number, end: number): Promise<Tokens[]>;
  close(): Promise<void>;
}

/** The first of so many sequences has its place in memory: those of the others are counted from there. */
const placeInterval = 64;

/** Without `.bin` or `.idx`, whichever of them it was given with. */
export const prefixOf = (name: string): string => name.replace(/\.(idx|bin)$/, '');

/**
 * Opens `PREFIX.idx`, which is read, and `PREFIX.bin`, of which tokens are read when they are asked for.
 *
 * @throws InputError where one is missing, is not what it should be, or disagrees with the other
 */
export async function openIndexedDataset(prefix: string): Promise<IndexedDataset> {
  const { index: indexName, data: dataName } = await requireFiles(prefix);
  const indexFile = await openFile(indexName);
  const index = await readIndex(indexFile).finally(indexFile.close);
  const data = await openFile(dataName);
  const { bytes } = tokenTypes[index.dtype];
  if (data.size !== index.tokenCount * bytes) {
    await data.close();
    throw new InputError(
      `${dataName}: expected ${index.tokenCount * bytes} bytes, for ${index.tokenCount} tokens of ${index.dtype} as ${indexName} says, found ${data.size}`,
    );
  }
  const { lengths, documentIndex } = index;
  const placeOf = placesOf(lengths);
  const readTokens = async (place: number, count: number) =>
    tokensOf(await readBytes(data, place * bytes, count * bytes), index.dtype, dataName);
  const requireSequences = (first: number, end: number) => {
    if (!(
      Number.isInteger(first) &&
      Number.isInteger(end) &&
      first >= 0 &&
      first <= end &&
      end <= lengths.length
    ))
      throw new InputError(
        `${prefix}: expected sequences from 0 to ${lengths.length - 1}, found ${first}${end > first + 1 ? ` to ${end - 1}` : ''}`,
      );
  };
  return {
    ...index,
    prefix,
    sequenceCount: lengths.length,
    documentCount: documentIndex.length - 1,
    async read(sequence, from = 0, length = (lengths[sequence] ?? 0) - from) {
      requireSequences(sequence, sequence + 1);
      const tokens = lengths[sequence]!;
      if (!(
        Number.isInteger(from) &&
        Number.isInteger(length) &&
        from >= 0 &&
        length >= 0 &&
        from + length <= tokens
      ))
        throw new InputError(
          `${prefix}: sequence ${sequence} has ${tokens} tokens, expected no others, found ${length} from ${from} on`,
        );
      return readTokens(placeOf(sequence) + from, length);
    },
    async readMany(first, end) {
      requireSequences(first, end);
      const place = placeOf(first);
      const tokens = await readTokens(place, placeOf(end) - place);
      let at = 0;
      return Array.from(lengths.subarray(first, end), (length) => tokens.subarray(at, (at += length)));
    },
    close: data.close,
  };
}

/** The names of its two files. @throws InputError where one is missing */
export async function requireFiles(
  prefix: string,
): Promise<{ readonly index: string; readonly data: string }> {
  const names = { index: `${prefix}.idx`, data: `${prefix}.bin` };
  for (const name of Object.values(names))
    if (!(await exists(name)))
      throw new InputError(
        `${prefix}: expected a data set (${prefix}.idx and ${prefix}.bin), there is no ${name}`,
      );
  return names;
}

/** Where each sequence begins, in tokens. */
function placesOf(lengths: Int32Array): (sequence: number) => number {
  const places = new Float64Array(Math.floor(lengths.length / placeInterval) + 1);
  let place = 0;
  for (let i = 0; i < lengths.length; i++) {
    if (i % placeInterval === 0) places[i / placeInterval] = place;
    place += lengths[i]!;
  }
  if (lengths.length % placeInterval === 0) places[lengths.length / placeInterval] = place;
  return (sequence) => {
    const known = Math.floor(sequence / placeInterval);
    let at = places[known]!;
    for (let i = known * placeInterval; i < sequence; i++) at += lengths[i]!;
    return at;
  };
}
