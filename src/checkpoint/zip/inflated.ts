import type { Readable } from 'node:stream';
import { crc32, createInflateRaw } from 'node:zlib';
import { InputError } from '../../errors.js';
import { requireInside, type ByteSource } from '../byte-source.js';

const smallestChunk = 2 ** 14;
const largestChunk = 2 ** 22;
/** Bytes that are inflated while the reader works on those before, in all files of an archive. */
export const mostAhead = 2 ** 24;
/** Of weights, which hardly shrink; deflate reaches a thousand for zeros. */
const largestRatio = 100;
/** Bytes, below which ratios do not matter. */
const small = 2 ** 24;
/** Times that a file is inflated: readers go forwards, and a few times through it. */
const mostPasses = 8;

/** Whether bytes say that they hold too many. */
export const isBomb = (size: number, compressedSize: number) =>
  size > small && size > largestRatio * compressedSize;

export interface Inflatable {
  readonly byteLength: number;
  readonly crc32: number;
}

/**
 * Deflated bytes, inflated as they are read: on from where the last read ended, or from the beginning for what lies
 * before. So nothing is unpacked to a disk, and readers do well to go forwards.
 *
 * @param aheadLength bytes that may be inflated before they are asked for
 * @throws InputError for what says that it holds a hundred times its size
 */
export function inflated(
  compressed: ByteSource,
  { byteLength: size, crc32: expected }: Inflatable,
  aheadLength: number,
): ByteSource {
  const { name } = compressed;
  if (isBomb(size, compressed.size))
    throw new InputError(
      `${name}: ${compressed.size} bytes say that they hold ${size}: expected at most ${largestRatio} times as many`,
    );
  let stream: Readable | undefined;
  let chunks: AsyncIterator<Buffer> | undefined;
  let chunk: Buffer = Buffer.alloc(0);
  /** Of the first byte of `chunk`, and the checksum of all before it. */
  let position = 0;
  let checksum = 0;
  /** Bytes inflated before the last return to the beginning. */
  let repeated = 0;

  const rewind = () => {
    repeated += position;
    if (repeated > small + mostPasses * size)
      throw new InputError(
        `${name}: its parts lie in an order in which they cannot be inflated; unpack the archive, and give the folder`,
      );
    stream?.destroy();
    stream = inflate(compressed, Math.min(aheadLength, 4 * size));
    chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    chunk = Buffer.alloc(0);
    position = checksum = 0;
  };
  const advance = async () => {
    checksum = crc32(chunk, checksum);
    position += chunk.length;
    const next = await chunks!.next().catch((error: unknown) => {
      throw new InputError(`${name}: cannot be inflated: ${(error as Error).message}`, { cause: error });
    });
    if (next.done) throw new InputError(`${name}: expected ${size} bytes, found ${position}`);
    chunk = next.value;
    if (position + chunk.length >= size && crc32(chunk.subarray(0, size - position), checksum) !== expected)
      throw new InputError(`${name}: its checksum is another than the archive says`);
  };
  return {
    name,
    size,
    async readInto(target, offset) {
      requireInside(name, size, offset, target.byteLength);
      if (!chunks || offset < position) rewind();
      for (let done = 0; done < target.byteLength;) {
        while (position + chunk.length <= offset + done) await advance();
        const from = offset + done - position;
        done += chunk.copy(target, done, from);
      }
    },
    async close() {
      stream?.destroy();
    },
  };
}

/** Inflates ahead of its reader. Errors of the source and of what it holds reach the reader. */
function inflate(compressed: ByteSource, aheadLength: number): Readable {
  const chunkSize = Math.min(largestChunk, Math.max(smallestChunk, Math.ceil(aheadLength / 4)));
  const options = { chunkSize, readableHighWaterMark: aheadLength };
  const inflater = createInflateRaw(options);
  // one is read into while the other is inflated
  const buffers = [0, 1].map(() => Buffer.allocUnsafeSlow(chunkSize));
  const feed = async () => {
    let taken = Promise.resolve();
    for (let at = 0; at < compressed.size && !inflater.destroyed; at += chunkSize) {
      const piece = buffers[(at / chunkSize) % 2]!.subarray(0, compressed.size - at);
      await compressed.readInto(piece, at);
      await taken;
      taken = new Promise((resolve) => {
        inflater.write(piece, () => {
          resolve();
        });
      });
    }
    await taken;
    inflater.end();
  };
  feed().catch((error: unknown) => inflater.destroy(error as Error));
  return inflater;
}
