import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { writeFully } from '../../checkpoint/file-bytes.js';

/** What was appended to a file between two moments at which it was on disk. */
export interface Segment {
  /** Bytes of the file. */
  readonly size: number;
  /** Of those since the last segment. */
  readonly sha256: string;
}

/** A file that only grows. */
export interface Appender {
  append(bytes: Uint8Array): Promise<void>;
  /** Bytes, with those that are not on disk yet. */
  readonly size: () => number;
  /** Waits until everything is on disk. */
  checkpoint(): Promise<Segment>;
  close(): Promise<void>;
}

/** Bytes that are collected before they are written. */
const bufferSize = 2 ** 20;

/** @param size of the file so far: what stands after it is cut off */
export async function openAppender(path: string, size = 0): Promise<Appender> {
  const file = await open(path, size === 0 ? 'w' : 'r+');
  await file.truncate(size);
  let hash = createHash('sha256');
  let written = size;
  let waiting: Uint8Array[] = [];
  let waitingSize = 0;

  const flush = async () => {
    const bytes = waiting.length === 1 ? waiting[0]! : Buffer.concat(waiting);
    waiting = [];
    waitingSize = 0;
    hash.update(bytes);
    await writeFully(file, bytes, written);
    written += bytes.byteLength;
  };
  return {
    async append(bytes) {
      if (bytes.byteLength === 0) return;
      waiting.push(bytes);
      waitingSize += bytes.byteLength;
      if (waitingSize >= bufferSize) await flush();
    },
    size: () => written + waitingSize,
    async checkpoint() {
      if (waitingSize > 0) await flush();
      await file.datasync();
      const segment = { size: written, sha256: hash.digest('hex') };
      hash = createHash('sha256');
      return segment;
    },
    close: () => file.close(),
  };
}
