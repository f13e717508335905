import type { Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { writeFully } from '../checkpoint/file-bytes.js';
import { InputError } from '../errors.js';
import { requireChecksum, startHash, type Checksum } from './checksum.js';
import { claimPart } from './part-files.js';
import { reasonOf, Unavailable } from './refusal.js';
import { withTimeLimit, type TimeLimit } from './time-limit.js';

export interface Download {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** In bytes; undefined where the server does not say. */
  readonly size: number | undefined;
  /** What changes when the file does; undefined where the server does not say. */
  readonly etag: string | undefined;
  /** Whether the server is to be told the ETag when a download goes on, so that it begins anew where that changed. */
  readonly mayChange?: boolean;
  /** Of the file, where it is known. */
  readonly checksum?: Checksum | undefined;
  readonly onBytes: (loaded: number) => void;
  /** Run on the whole file before it is put into its place. @throws where it is not what it should be */
  readonly check?: (file: string) => Promise<void>;
  readonly signal?: AbortSignal | undefined;
  /** Of silence, after which a connection counts as cut. */
  readonly timeLimit?: TimeLimit | undefined;
  /** @returns what to throw where the server gives no file */
  readonly refuse?: (response: Response) => InputError;
}

/** Connections that are cut are taken up where they ended, so many times without a byte between. */
const mostFailures = 5;

/**
 * Downloads a file beside `target`, checks it, and renames it into place. What an earlier process left of the same
 * file is continued.
 *
 * @throws InputError where the server does not give the file that it announced
 */
export async function download(request: Download, target: string): Promise<void> {
  const { etag, size, check, signal } = request;
  const part = await claimPart(target, etag === undefined ? undefined : `${etag} ${size}`);
  try {
    await receive(request, part.file);
    await check?.(part.file);
    await rename(part.file, target);
  } catch (error) {
    // of a file that is as it should be so far, the next download needs the rest only
    const isUsable =
      signal?.aborted === true || !(error instanceof InputError) || error instanceof Unavailable;
    if (!isUsable || etag === undefined) await rm(part.file, { force: true });
    throw error;
  } finally {
    part.release();
  }
}

/** What has come, and its checksum so far. */
interface Received {
  loaded: number;
  hash: Hash | undefined;
}

const nothing = ({ checksum, size }: Download): Received => ({
  loaded: 0,
  hash: checksum && startHash(checksum, size),
});

async function receive(request: Download, part: string): Promise<void> {
  const { url, size, checksum, onBytes } = request;
  const file = await open(part, 'a');
  try {
    const received = await partThere(request, file, part);
    if (received.loaded > 0) onBytes(received.loaded);
    let isDone = received.loaded === size;
    for (let failures = 0; !isDone;) {
      const before = received.loaded;
      const problem = await goOn(request, file, received);
      isDone = problem === undefined && received.loaded === (size ?? received.loaded);
      failures = received.loaded > before ? 0 : failures + 1;
      if (failures > mostFailures)
        throw new Unavailable(
          `${url}: the connection was cut after ${received.loaded} of ${size ?? 'so many'} bytes: ${problem ?? 'it ended early'}; the same again goes on from there`,
        );
    }
    await file.sync();
    if (checksum) requireChecksum(checksum, received.hash!, url);
  } finally {
    await file.close();
  }
}

async function partThere(request: Download, file: FileHandle, part: string): Promise<Received> {
  const { size: loaded } = await file.stat();
  requireRoom(request, loaded);
  const { hash } = nothing(request);
  if (hash && loaded > 0) for await (const chunk of createReadStream(part)) hash.update(chunk as Buffer);
  return { loaded, hash };
}

function requireRoom({ url, size = Infinity }: Download, loaded: number): void {
  if (loaded > size) throw new InputError(`${url}: expected ${size} bytes, found more`);
}

/** Adds what the server sends until it ends. @returns why the connection failed, where it did */
async function goOn(request: Download, file: FileHandle, received: Received): Promise<string | undefined> {
  const { timeLimit, signal: outer, onBytes } = request;
  try {
    await withTimeLimit(timeLimit, outer, async (signal, heard) => {
      const { body, isContinued } = await requestFrom(request, received.loaded, signal);
      heard();
      if (!isContinued) {
        await file.truncate();
        Object.assign(received, nothing(request));
      }
      for await (const chunk of chunksOf(body)) {
        requireRoom(request, received.loaded + chunk.length);
        received.hash?.update(chunk);
        await writeFully(file, chunk);
        received.loaded += chunk.length;
        heard();
        onBytes(received.loaded);
      }
    });
    return undefined;
  } catch (error) {
    outer?.throwIfAborted();
    if (error instanceof Cut) return error.message;
    throw error;
  }
}

/** The connection failed, not what is done with what it brings. */
class Cut extends Error {}

async function* chunksOf(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw new Cut(reasonOf(error));
  }
}

/** The file's bytes from one on, or all of them where the server has another file by now, or cannot continue. */
async function requestFrom(
  { url, headers, etag, mayChange, refuse }: Download,
  from: number,
  signal: AbortSignal,
): Promise<{ body: AsyncIterable<Uint8Array>; isContinued: boolean }> {
  const range: Record<string, string> = from > 0 ? { Range: `bytes=${from}-` } : {};
  if (from > 0 && mayChange && etag !== undefined) range['If-Range'] = etag;
  const response = await fetch(url, {
    headers: { 'Accept-Encoding': 'identity', ...headers, ...range },
    signal,
  }).catch((error: unknown) => {
    throw new Cut(reasonOf(error));
  });
  const { ok, status, body } = response;
  const place = response.headers.get('content-range');
  const isElsewhere = status === 206 && place !== null && !place.startsWith(`bytes ${from}-`);
  if (ok && body && !isElsewhere)
    return { body: body as AsyncIterable<Uint8Array>, isContinued: from === 0 || status === 206 };
  await body?.cancel();
  if (isElsewhere)
    throw new InputError(`${url}: asked for the bytes from ${from} on, the server gave ${place}`);
  throw refuse?.(response) ?? new InputError(`${url}: the server answered ${status}`);
}
