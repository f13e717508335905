import { Decompress } from 'fzstd';
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { InputError } from '../../errors.js';
import type { InputFile } from './inputs.js';

const blockSize = 2 ** 20;

/** The bytes of a file, without its compression. */
export interface ByteStream {
  readonly blocks: AsyncIterable<Buffer>;
  /** Bytes of the file, as it lies there, that were read. */
  readonly consumed: () => number;
}

/** @param from bytes, without compression, that are passed over @throws InputError where they cannot be read */
export function openByteStream(
  { path, compression }: Pick<InputFile, 'path' | 'compression'>,
  from: number,
): ByteStream {
  const start = compression ? 0 : from;
  const stream = createReadStream(path, { start, highWaterMark: blockSize });
  const consumed = () => start + stream.bytesRead;
  if (!compression) return { blocks: readable(path, stream), consumed };
  const blocks = compression === 'gzip' ? inflated(stream) : decompressedZstd(stream);
  return { blocks: passOver(readable(path, blocks), from), consumed };
}

function inflated(stream: Readable): AsyncIterable<unknown> {
  const gunzip = createGunzip({ chunkSize: blockSize });
  stream.on('error', (error) => gunzip.destroy(error));
  return stream.pipe(gunzip);
}

/** Bytes that are decompressed at once, to 512 MB at most. */
const zstdStep = 2 ** 14;

/** Node's own decompressor stops after the first of several frames. */
async function* decompressedZstd(stream: AsyncIterable<unknown>): AsyncGenerator<Buffer> {
  let blocks: Buffer[] = [];
  const taken = () => {
    const all = blocks;
    blocks = [];
    return all;
  };
  const decompress = new Decompress((block) => blocks.push(Buffer.from(block)));
  for await (const block of stream as AsyncIterable<Buffer>)
    for (let at = 0; at < block.length; at += zstdStep) {
      decompress.push(block.subarray(at, at + zstdStep));
      yield* taken();
    }
  decompress.push(new Uint8Array(0), true);
  yield* taken();
}

async function* readable(path: string, stream: AsyncIterable<unknown>): AsyncGenerator<Buffer> {
  try {
    for await (const block of stream) yield block as Buffer;
  } catch (error) {
    throw new InputError(`${path}: cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

async function* passOver(blocks: AsyncIterable<Buffer>, from: number): AsyncGenerator<Buffer> {
  let left = from;
  for await (const block of blocks) {
    if (left < block.length) yield left === 0 ? block : block.subarray(left);
    left = Math.max(0, left - block.length);
  }
}
