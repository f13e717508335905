import { PassThrough, Readable, pipeline } from 'node:stream';
import { crc32, createInflateRaw } from 'node:zlib';
import { InputError } from '../../errors.js';
import { readBytes, requireInside, type ByteSource } from '../byte-source.js';

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
    stream = inflate(compressed, aheadLength);
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

function inflate(compressed: ByteSource, aheadLength: number): Readable {
  const chunkLength = Math.min(largestChunk, Math.max(smallestChunk, Math.ceil(aheadLength / 4)));
  const inflater = createInflateRaw({ chunkSize: chunkLength });
  async function* pieces() {
    for (let at = 0; at < compressed.size; at += chunkLength)
      yield await readBytes(compressed, at, Math.min(chunkLength, compressed.size - at));
  }
  const ahead = new PassThrough({ readableHighWaterMark: aheadLength, writableHighWaterMark: chunkLength });
  // errors reach the reader of the last
  pipeline(Readable.from(pieces()), inflater, ahead, () => undefined);
  return ahead;
}
