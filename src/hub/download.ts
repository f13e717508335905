import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { writeFully } from '../checkpoint/file-bytes.js';
import { InputError } from '../errors.js';

/** What happens to a file, in the shape that transformers.js gives its `progress_callback`. */
export interface DownloadProgress {
  readonly status: 'initiate' | 'download' | 'progress' | 'done';
  /** The model. */
  readonly name: string;
  readonly file: string;
  /** Percent. */
  readonly progress?: number;
  /** Bytes. */
  readonly loaded?: number;
  readonly total?: number;
}

export interface Download {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** In bytes. */
  readonly size: number;
  /** A file's SHA-256 where it is 64 digits; else no checksum of its bytes. */
  readonly etag: string;
  readonly onBytes: (loaded: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Connections that are cut are taken up where they ended, so many times without a byte between. */
const mostFailures = 5;

/**
 * Downloads a file beside `target`, checks it, and renames it into place.
 *
 * @throws InputError where the server does not give the file that it announced
 */
export async function download(request: Download, target: string): Promise<void> {
  await mkdir(path.dirname(target), { recursive: true });
  const temporary = `${target}.${randomUUID()}.incomplete`;
  const file = await open(temporary, 'wx');
  try {
    try {
      await receive(request, file);
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function receive(request: Download, file: FileHandle): Promise<void> {
  const { url, size, etag, onBytes, signal } = request;
  const hash = createHash('sha256');
  let loaded = 0;
  let failures = 0;
  while (loaded < size) {
    const before = loaded;
    let problem = 'it ended early';
    try {
      for await (const chunk of await requestFrom(request, loaded)) {
        if (loaded + chunk.length > size) throw new InputError(`${url}: expected ${size} bytes, found more`);
        hash.update(chunk);
        await writeFully(file, chunk);
        loaded += chunk.length;
        onBytes(loaded);
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof InputError) throw error;
      problem = (error as Error).message;
    }
    failures = loaded > before ? 0 : failures + 1;
    if (failures > mostFailures)
      throw new InputError(`${url}: the connection was cut after ${loaded} of ${size} bytes: ${problem}`);
  }
  const found = hash.digest('hex');
  if (/^[0-9a-f]{64}$/.test(etag) && found !== etag)
    throw new InputError(`${url}: expected the SHA-256 ${etag}, found ${found}`);
}

/** The file's bytes from one on. A server that passes over the range would start from the beginning. */
async function requestFrom(
  { url, headers, signal }: Download,
  from: number,
): Promise<AsyncIterable<Uint8Array>> {
  const range: Record<string, string> = from > 0 ? { Range: `bytes=${from}-` } : {};
  const { ok, status, body } = await fetch(url, {
    headers: { ...headers, ...range },
    ...(signal && { signal }),
  });
  if (!ok || !body) throw new InputError(`${url}: the server answered ${status}`);
  if (from > 0 && status !== 206) throw new InputError(`${url}: the server cannot continue a download`);
  return body as AsyncIterable<Uint8Array>;
}
