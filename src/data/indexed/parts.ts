/** A data set in the making: three files that only grow, of which the index is made at the end. */
import { rename } from 'node:fs/promises';
import { openFile } from '../../checkpoint/byte-source.js';
import { writeFileAtomically, writeFully } from '../../checkpoint/file-bytes.js';
import { InputError } from '../../errors.js';
import { openAppender, type Appender, type Segment } from './appender.js';
import { currentHeader } from './current-index.js';
import { int32Blocks, int64Blocks } from './number-blocks.js';
import { tokenTypes, type WrittenTokenType } from './token-types.js';

/** Documents as they stand in a data set. */
export interface EncodedDocuments {
  readonly tokens: Uint8Array;
  /** Tokens in each sequence. */
  readonly lengths: Int32Array;
  /** Sequences in each document. */
  readonly documents: Int32Array;
  /** The first document goes on with the last one before; with `sequence` its first sequence goes on with that one's last. */
  readonly continues?: 'document' | 'sequence' | undefined;
}

/** What is known of the files: the last sequence and document are not written, for they may go on. */
export interface PartsState {
  readonly sequences: number;
  readonly documents: number;
  /** Tokens of the last sequence. */
  readonly openLength: number | null;
  /** Sequences of the last document. */
  readonly openCount: number | null;
}

export const partNames = ['bin', 'lengths', 'documents'] as const;
export type PartName = (typeof partNames)[number];

export interface PartsCheckpoint extends PartsState {
  readonly segments: Readonly<Record<PartName, Segment>>;
}

export interface Parts {
  append(encoded: EncodedDocuments): Promise<void>;
  /** Waits until everything is on disk. */
  checkpoint(): Promise<PartsCheckpoint>;
  /** Writes what was open. */
  end(): Promise<void>;
  close(): Promise<void>;
}

const longest = 2 ** 31 - 1;

export const partPath = (base: string, name: PartName | 'idx') => `${base}.${name}`;

/** @param from where to go on; what the files hold after that is cut off */
export async function openParts(base: string, from?: PartsCheckpoint): Promise<Parts> {
  const opened = new Map<PartName, Appender>();
  for (const name of partNames)
    opened.set(name, await openAppender(partPath(base, name), from?.segments[name].size));
  const { bin, lengths, documents } = Object.fromEntries(opened) as Record<PartName, Appender>;
  let {
    sequences,
    documents: documentCount,
    openLength,
    openCount,
  }: PartsState = from ?? {
    sequences: 0,
    documents: 0,
    openLength: null,
    openCount: null,
  };

  const endSequence = async () => {
    if (openLength !== null) await lengths.append(bytesOf(Int32Array.of(openLength)));
    openLength = null;
  };
  const endDocument = async () => {
    if (openCount !== null) await documents.append(bytesOf(BigInt64Array.of(BigInt(sequences))));
    openCount = null;
  };
  const appendLengths = async (given: Int32Array, joins: boolean) => {
    const all = given.slice();
    if (joins && openLength !== null && all.length > 0) {
      const joined = openLength + all[0]!;
      if (joined > longest)
        throw new InputError(
          `expected sequences of at most ${longest} tokens, found one of ${joined} or more`,
        );
      all[0] = joined;
      openLength = null;
      sequences--;
      openCount = openCount! - 1;
    }
    if (all.length === 0) return;
    await endSequence();
    await lengths.append(bytesOf(all.subarray(0, -1)));
    openLength = all.at(-1)!;
  };
  return {
    async append({ tokens, lengths: added, documents: counts, continues }) {
      if (counts.length === 0) return;
      const goesOn = continues !== undefined && openCount !== null;
      await appendLengths(added, goesOn && continues === 'sequence' && openCount! > 0 && counts[0]! > 0);
      if (!goesOn) {
        await endDocument();
        openCount = 0;
        documentCount++;
      }
      openCount! += counts[0]!;
      sequences += counts[0]!;
      for (const count of counts.subarray(1)) {
        await endDocument();
        openCount = count;
        sequences += count;
        documentCount++;
      }
      await bin.append(tokens);
    },
    async checkpoint() {
      const segments = {
        bin: await bin.checkpoint(),
        lengths: await lengths.checkpoint(),
        documents: await documents.checkpoint(),
      };
      return { segments, sequences, documents: documentCount, openLength, openCount };
    },
    async end() {
      await endSequence();
      await endDocument();
    },
    async close() {
      await Promise.all([bin.close(), lengths.close(), documents.close()]);
    },
  };
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Int32Array | BigInt64Array) =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Writes the index of parts that have ended, byte for byte as Megatron-LM's builder does. */
export async function writeIndex(base: string, dtype: WrittenTokenType): Promise<void> {
  const lengths = await openFile(partPath(base, 'lengths'));
  const documents = await openFile(partPath(base, 'documents'));
  const [sequences, documentCount] = [lengths.size / 4, documents.size / 8];
  try {
    await writeFileAtomically(partPath(base, 'idx'), async (file) => {
      await writeFully(file, currentHeader(dtype, sequences, documentCount + 1));
      for await (const block of int32Blocks(lengths, 0, sequences)) await writeFully(file, bytesOf(block));
      let place = 0;
      for await (const block of int32Blocks(lengths, 0, sequences)) {
        const places = new BigInt64Array(block.length);
        for (let i = 0; i < block.length; i++) {
          places[i] = BigInt(place);
          place += block[i]! * tokenTypes[dtype].bytes;
        }
        await writeFully(file, bytesOf(places));
      }
      await writeFully(file, bytesOf(BigInt64Array.of(0n)));
      for await (const block of int64Blocks(documents, 0, documentCount))
        await writeFully(file, bytesOf(BigInt64Array.from(block, BigInt)));
    });
  } finally {
    await lengths.close();
    await documents.close();
  }
}

/** Puts what was made where it belongs, the index last; goes on where that was begun before. */
export async function moveParts(base: string, prefix: string): Promise<void> {
  for (const name of ['bin', 'idx'] as const)
    await rename(partPath(base, name), `${prefix}.${name}`).catch((error: unknown) => {
      // it lies there already
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    });
}
