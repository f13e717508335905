/**
 * The index of IndexedDataset (`lazy` and `cached`), little-endian, all numbers of 8 bytes: magic, version, code of the
 * type, its size, number of sequences K, of sizes S and of document entries D; then K + 1 places among the sizes, K + 1
 * places in the data in elements, S sizes, D first sequences. Source: Megatron-LM 23.04, megatron/data/indexed_dataset.py.
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
import { headerReader, int64Blocks } from './number-blocks.js';
import { tokenTypeOfCode, tokenTypes } from './token-types.js';

const headerSize = 56;
const longest = 2 ** 31 - 1;

export async function classicLayout(source: ByteSource): Promise<IndexLayout> {
  const { name } = source;
  const header = headerReader(await readBytes(source, 0, headerSize), name);
  header.skip(magics.classic.length);
  const version = header.uint64('version 1');
  if (version !== 1) throw new InputError(`${name}: expected version 1, found ${version}`);
  const dtype = tokenTypeOfCode(header.uint64('the code of a type'), name);
  const bytes = header.uint64('the size of a type');
  if (bytes !== tokenTypes[dtype].bytes)
    throw new InputError(`${name}: expected ${tokenTypes[dtype].bytes} bytes for ${dtype}, found ${bytes}`);
  const sequences = header.uint64('a number of sequences');
  const sizes = header.uint64('a number of sizes');
  const documentEntries = header.uint64('a number of documents');
  if (sizes !== sequences)
    throw new InputError(`${name}: expected one size for each of ${sequences} sequences, found ${sizes}`);
  const places = headerSize + 8 * (sequences + 1);
  const lengths = places + 8 * (sequences + 1);
  const documents = lengths + 8 * sequences;
  requireCounts(source, { sequences, documentEntries }, documents + 8 * documentEntries);
  return {
    layout: 'classic',
    dtype,
    sequences,
    documentEntries,
    lengths: { offset: lengths, bytes: 8 },
    places: { offset: places, unit: bytes },
    documents: { offset: documents },
  };
}

export async function readClassicIndex(source: ByteSource): Promise<DatasetIndex> {
  const { name } = source;
  const layout = await classicLayout(source);
  const { dtype, sequences, documentEntries, places, documents } = layout;
  await requireRising(source, headerSize, sequences + 1, () => 1, 'size');
  const lengths = new Int32Array(sequences);
  let done = 0;
  for await (const block of int64Blocks(source, layout.lengths.offset, sequences))
    for (const length of block) {
      if (!(length >= 0 && length <= longest))
        throw new InputError(
          `${name}: sequence ${done}: expected a length of 0 to ${longest}, found ${length}`,
        );
      lengths[done++] = length;
    }
  const tokenCount = await requireRising(
    source,
    places.offset,
    sequences + 1,
    (i) => lengths[i] ?? 0,
    'place',
  );
  const blocks = int64Blocks(source, documents.offset, documentEntries);
  const documentIndex = await readDocumentIndex(name, blocks, documentEntries, sequences);
  return { layout: 'classic', dtype, lengths, documentIndex, tokenCount };
}

/** @returns the last of the numbers @throws InputError where they do not rise from 0 by what they should */
async function requireRising(
  source: ByteSource,
  offset: number,
  count: number,
  step: (i: number) => number,
  what: string,
): Promise<number> {
  let done = 0;
  let expected = 0;
  let last = 0;
  for await (const block of int64Blocks(source, offset, count))
    for (const found of block) {
      if (found !== expected)
        throw new InputError(
          `${source.name}: sequence ${done}: expected its ${what} at ${expected}, found ${found}`,
        );
      last = found;
      expected += step(done++);
    }
  return last;
}
