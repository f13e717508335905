import { open, stat } from 'node:fs/promises';
import { InputError } from '../errors.js';
import { readFully } from './file-bytes.js';

/** Bytes that can be read from anywhere: a file, or a file in an archive. */
export interface ByteSource {
  /** For errors. */
  readonly name: string;
  readonly size: number;
  /** Fills `target` with the bytes from `offset` on. @throws InputError where they end before */
  readonly readInto: (target: Uint8Array, offset: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** @throws InputError where there is no such file */
export async function openFile(path: string): Promise<ByteSource> {
  const fail = (error: unknown): never => {
    throw new InputError(`${path}: cannot be opened: ${(error as Error).message}`, { cause: error });
  };
  // opening a pipe waits for who writes into it
  const status = await stat(path).catch(fail);
  if (!status.isFile()) throw new InputError(`${path}: not a file`);
  const file = await open(path, 'r').catch(fail);
  const { size } = await file.stat();
  return {
    name: path,
    size,
    async readInto(target, offset) {
      requireInside(path, size, offset, target.byteLength);
      if ((await readFully(file, target, offset)) < target.byteLength)
        throw new InputError(`${path}: the file has become shorter since it was opened`);
    },
    close: () => file.close(),
  };
}

/** Some of a source's bytes, which stays open when they are closed. */
export function partOf(source: ByteSource, offset: number, size: number, name: string): ByteSource {
  requireInside(name, source.size, offset, size);
  return {
    name,
    size,
    async readInto(target, at) {
      requireInside(name, size, at, target.byteLength);
      await source.readInto(target, offset + at);
    },
    close: () => Promise.resolve(),
  };
}

/** @throws InputError where the source ends before */
export async function readBytes(source: ByteSource, offset: number, length: number): Promise<Buffer> {
  requireInside(source.name, source.size, offset, length);
  const bytes = Buffer.allocUnsafeSlow(length);
  await source.readInto(bytes, offset);
  return bytes;
}

/** @throws InputError where the file is larger than such text may be */
export async function readText(path: string, largest: number): Promise<string> {
  const file = await openFile(path);
  try {
    if (file.size > largest)
      throw new InputError(`${path}: expected at most ${largest} bytes, found ${file.size}`);
    return (await readBytes(file, 0, file.size)).toString();
  } finally {
    await file.close();
  }
}

/** Before any memory is taken for them. */
export function requireInside(name: string, size: number, offset: number, length: number): void {
  if (!(offset >= 0 && length >= 0 && offset + length <= size))
    throw new InputError(`${name}: ${length} bytes at ${offset} are not in its ${size} bytes`);
}
