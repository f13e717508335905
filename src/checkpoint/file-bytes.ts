import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InputError } from '../errors.js';

/** A file that was written. */
export interface WrittenFile {
  readonly bytes: number;
  readonly sha256: string;
}

/** One system call transfers at most 2³¹ − 1 bytes. */
const largestTransfer = 2 ** 28;

/**
 * Fills `target` from the file, starting at byte `position`.
 *
 * @returns the number of bytes read: less than `target.byteLength` only where the file ends
 */
export async function readFully(file: FileHandle, target: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < target.byteLength) {
    const length = Math.min(target.byteLength - done, largestTransfer);
    const { bytesRead } = await file.read(target, done, length, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

/** Writes all of `source` from byte `position` on, or else where the file is at. */
export async function writeFully(file: FileHandle, source: Uint8Array, position?: number): Promise<void> {
  let done = 0;
  while (done < source.byteLength) {
    const length = Math.min(source.byteLength - done, largestTransfer);
    const place = position === undefined ? null : position + done;
    done += (await file.write(source, done, length, place)).bytesWritten;
  }
}

/**
 * Writes a file so that, whenever the process or the machine stops, `path` is either as it was or complete: `write`
 * fills a new file in the same folder, which is flushed to the disk and renamed into place.
 *
 * If `write` throws, the new file is removed, `path` is untouched and the error is passed on.
 *
 * @throws {InputError} when no file can be made in that folder
 */
export async function writeFileAtomically(
  path: string,
  write: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.tmp-${randomUUID()}`);
  const file = await open(temporary, 'wx').catch((error: unknown) => {
    throw new InputError(`${path}: cannot be written: ${(error as Error).message}`, { cause: error });
  });
  try {
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await flushFolder(folder);
}

/** Makes a rename in `folder` durable. Windows cannot open folders, and needs no such call. */
export async function flushFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** What a file holds, for those who compare it later. */
export async function checksumOf(path: string): Promise<WrittenFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return { bytes, sha256: hash.digest('hex') };
}
