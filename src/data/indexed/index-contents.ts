import type { ByteSource } from '../../checkpoint/byte-source.js';
import { InputError } from '../../errors.js';
import type { TokenType } from './token-types.js';

/** What an index says of its data set. */
export interface DatasetIndex {
  /** `current`: MMapIndexedDataset and megatron-core; `classic`: IndexedDataset, from before. */
  readonly layout: 'current' | 'classic';
  readonly dtype: TokenType;
  /** Tokens in each sequence. */
  readonly lengths: Int32Array;
  /** The first sequence of each document, and after them the number of sequences. */
  readonly documentIndex: Float64Array;
  readonly tokenCount: number;
}

/** Where an index file has what. */
export interface IndexLayout extends Pick<DatasetIndex, 'layout' | 'dtype'> {
  readonly sequences: number;
  readonly documentEntries: number;
  /** Of each sequence. */
  readonly lengths: { readonly offset: number; readonly bytes: 4 | 8 };
  /** Where each sequence begins in the data, 8 bytes each, counted in so many bytes. */
  readonly places: { readonly offset: number; readonly unit: number };
  /** The first sequence of each document, 8 bytes each. */
  readonly documents: { readonly offset: number };
}

/** Both are held in memory, in 4 and 8 bytes each. */
export const mostSequences = 2 ** 30;
export const mostDocuments = 2 ** 28;

export const magics = {
  current: Buffer.from('MMIDIDX\0\0', 'latin1'),
  classic: Buffer.from('TNTIDX\0\0', 'latin1'),
} as const;

/** Before memory is taken for them. @throws InputError where there are too many, or the file is not as long as they are */
export function requireCounts(
  { name, size }: ByteSource,
  counts: { readonly sequences: number; readonly documentEntries: number },
  expectedSize: number,
): void {
  const { sequences, documentEntries } = counts;
  if (size !== expectedSize)
    throw new InputError(
      `${name}: expected ${expectedSize} bytes for ${sequences} sequences and ${documentEntries} entries of documents, found ${size}`,
    );
  if (sequences > mostSequences || documentEntries > mostDocuments)
    throw new InputError(
      `${name}: expected at most ${mostSequences} sequences and ${mostDocuments} documents, found ${sequences} and ${documentEntries}: divide the data set`,
    );
}

/** Fills in the document index. @throws InputError where it does not go from 0 up to the number of sequences */
export async function readDocumentIndex(
  file: string,
  blocks: AsyncIterable<Float64Array>,
  entries: number,
  sequences: number,
): Promise<Float64Array> {
  const documentIndex = new Float64Array(entries);
  let done = 0;
  let before = 0;
  for await (const block of blocks)
    for (const first of block) {
      if (first < before || first > sequences || (done === 0 && first !== 0))
        throw new InputError(
          `${file}: document ${done}: expected a first sequence from ${before} to ${done === 0 ? 0 : sequences}, found ${first}`,
        );
      documentIndex[done++] = before = first;
    }
  if (entries === 0 || before !== sequences)
    throw new InputError(
      `${file}: expected documents up to sequence ${sequences}, found ${entries === 0 ? 'none' : `them to end at ${before}`}`,
    );
  return documentIndex;
}
