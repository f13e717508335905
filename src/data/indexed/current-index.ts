/**
 * The index of MMapIndexedDataset, little-endian: magic, version (8 bytes), code of the type (1), number of sequences N
 * and of document entries M (8 each); then N lengths (4 bytes), N places in bytes (8), M first sequences (8).
 * Source: Megatron-LM, megatron/core/datasets/indexed_dataset.py.
 */
import { readBytes, type ByteSource } from '../../checkpoint/byte-source.js';
import { InputError } from '../../errors.js';
import {
  magics,
  readDocumentIndex,
  requireCounts,
  type DatasetIndex,
  type IndexLayout,
} from './index-contents.js';
import { headerReader, int32Blocks, int64Blocks } from './number-blocks.js';
import { tokenTypeOfCode, tokenTypes, type WrittenTokenType } from './token-types.js';

export const headerSize = 34;

export function currentHeader(dtype: WrittenTokenType, sequences: number, documentEntries: number): Buffer {
  const header = Buffer.alloc(headerSize);
  magics.current.copy(header);
  header.writeBigUInt64LE(1n, 9);
  header.writeUInt8(tokenTypes[dtype].code, 17);
  header.writeBigUInt64LE(BigInt(sequences), 18);
  header.writeBigUInt64LE(BigInt(documentEntries), 26);
  return header;
}

export async function currentLayout(source: ByteSource): Promise<IndexLayout> {
  const { name } = source;
  const header = headerReader(await readBytes(source, 0, headerSize), name);
  header.skip(magics.current.length);
  const version = header.uint64('version 1');
  if (version !== 1) throw new InputError(`${name}: expected version 1, found ${version}`);
  const dtype = tokenTypeOfCode(header.uint8(), name);
  const sequences = header.uint64('a number of sequences');
  const documentEntries = header.uint64('a number of documents');
  const places = headerSize + 4 * sequences;
  const documents = places + 8 * sequences;
  requireCounts(source, { sequences, documentEntries }, documents + 8 * documentEntries);
  return {
    layout: 'current',
    dtype,
    sequences,
    documentEntries,
    lengths: { offset: headerSize, bytes: 4 },
    places: { offset: places, unit: 1 },
    documents: { offset: documents },
  };
}

export async function readCurrentIndex(source: ByteSource): Promise<DatasetIndex> {
  const { dtype, sequences, documentEntries, places, documents } = await currentLayout(source);
  const lengths = new Int32Array(sequences);
  const tokenCount = await readLengths(source, lengths);
  await checkPlaces(source, places.offset, lengths, tokenTypes[dtype].bytes);
  const blocks = int64Blocks(source, documents.offset, documentEntries);
  const documentIndex = await readDocumentIndex(source.name, blocks, documentEntries, sequences);
  return { layout: 'current', dtype, lengths, documentIndex, tokenCount };
}

async function readLengths(source: ByteSource, lengths: Int32Array): Promise<number> {
  let done = 0;
  let tokens = 0;
  for await (const block of int32Blocks(source, headerSize, lengths.length)) {
    lengths.set(block, done);
    for (const length of block) {
      if (length < 0)
        throw new InputError(
          `${source.name}: sequence ${done}: expected a length of 0 or more, found ${length}`,
        );
      tokens += length;
      done++;
    }
  }
  return tokens;
}

/** Sequences follow one another without a gap, as Megatron-LM writes them and as its tools take for granted. */
async function checkPlaces(
  source: ByteSource,
  offset: number,
  lengths: Int32Array,
  bytes: number,
): Promise<void> {
  let done = 0;
  let expected = 0;
  for await (const block of int64Blocks(source, offset, lengths.length))
    for (const place of block) {
      if (place !== expected)
        throw new InputError(
          `${source.name}: sequence ${done}: expected it at byte ${expected}, found ${place}`,
        );
      expected += lengths[done++]! * bytes;
    }
}
