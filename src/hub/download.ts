import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { writeFully } from '../checkpoint/file-bytes.js';
import { isRunning } from '../checkpoint/new-folder.js';
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
  /** In bytes; undefined where the server does not say. */
  readonly size: number | undefined;
  /** What changes when the file does; undefined where the server does not say. */
  readonly etag: string | undefined;
  /** Whether the server is to be told the ETag when a download goes on, so that it begins anew where that changed. */
  readonly mayChange?: boolean;
  /** Of the file, where it is known. */
  readonly sha256?: string | undefined;
  readonly onBytes: (loaded: number) => void;
  /** Run on the whole file before it is put into its place. @throws where it is not what it should be */
  readonly check?: (file: string) => Promise<void>;
  readonly signal?: AbortSignal | undefined;
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
  await mkdir(path.dirname(target), { recursive: true });
  const part = await claimPart(request, target);
  try {
    await receive(request, part);
    await request.check?.(part);
    await rename(part, target);
  } catch (error) {
    // of a file that is as it should be so far, the next process needs the rest only
    const isUsable = !(error instanceof InputError) || error instanceof Interrupted;
    if (!isUsable || request.etag === undefined) await rm(part, { force: true });
    throw error;
  } finally {
    ownParts.delete(part);
  }
}

/** The connection failed, and may not do so later. */
class Interrupted extends InputError {}

/** Parts that this process works on. */
const ownParts = new Set<string>();
let started = 0;

/** A name for the unfinished file, which says whose it is: what nobody works on any more is taken over, or removed. */
async function claimPart({ etag, size }: Download, target: string): Promise<string> {
  const [folder, base] = [path.dirname(target), path.basename(target)];
  const version = createHash('sha256').update(`${etag} ${size}`).digest('hex').slice(0, 16);
  const prefix = `.${base}.${version}.incomplete-`;
  const own = path.join(folder, `${prefix}${process.pid}-${started++}`);
  ownParts.add(own);
  for (const entry of await readdir(folder)) {
    const process = /\.[0-9a-f]{16}\.incomplete-(\d+)-\d+$/.exec(entry)?.[1];
    const file = path.join(folder, entry);
    const isLeft = process !== undefined && !ownParts.has(file) && !isRunning(Number(process));
    if (!isLeft || !entry.startsWith(`.${base}.`)) continue;
    // one of several processes gets it
    if (entry.startsWith(prefix) && etag !== undefined) await rename(file, own).catch(() => undefined);
    else await rm(file, { force: true });
  }
  return own;
}

async function receive(request: Download, part: string): Promise<void> {
  const { url, size, sha256, onBytes, signal } = request;
  const file = await open(part, 'a');
  try {
    let { loaded, hash } = await partThere(file, part);
    if (loaded > (size ?? Infinity)) throw new InputError(`${url}: expected ${size} bytes, found more`);
    for (let failures = 0, isDone = loaded === size; !isDone;) {
      const before = loaded;
      let problem = 'it ended early';
      try {
        const { body, isContinued } = await requestFrom(request, loaded);
        if (!isContinued) {
          await file.truncate();
          ({ loaded, hash } = nothing());
        }
        for await (const chunk of body) {
          if (loaded + chunk.length > (size ?? Infinity))
            throw new InputError(`${url}: expected ${size} bytes, found more`);
          hash.update(chunk);
          await writeFully(file, chunk);
          loaded += chunk.length;
          onBytes(loaded);
        }
        isDone = loaded === (size ?? loaded);
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof InputError) throw error;
        problem = (error as Error).message;
      }
      failures = loaded > before ? 0 : failures + 1;
      if (failures > mostFailures)
        throw new Interrupted(
          `${url}: the connection was cut after ${loaded} of ${size ?? 'so many'} bytes: ${problem}`,
        );
    }
    await file.sync();
    const found = hash.digest('hex');
    if (sha256 !== undefined && found !== sha256)
      throw new InputError(`${url}: expected the SHA-256 ${sha256}, found ${found}`);
  } finally {
    await file.close();
  }
}

const nothing = () => ({ loaded: 0, hash: createHash('sha256') });

async function partThere(file: FileHandle, part: string): Promise<{ loaded: number; hash: Hash }> {
  const { size } = await file.stat();
  const { hash } = nothing();
  if (size > 0) for await (const chunk of createReadStream(part)) hash.update(chunk as Buffer);
  return { loaded: size, hash };
}

/** The file's bytes from one on, or all of them where the server has another file by now, or cannot continue. */
async function requestFrom(
  { url, headers, etag, mayChange, signal }: Download,
  from: number,
): Promise<{ body: AsyncIterable<Uint8Array>; isContinued: boolean }> {
  const range: Record<string, string> = from > 0 ? { Range: `bytes=${from}-` } : {};
  if (from > 0 && mayChange && etag !== undefined) range['If-Range'] = etag;
  const response = await fetch(url, {
    headers: { 'Accept-Encoding': 'identity', ...headers, ...range },
    ...(signal && { signal }),
  });
  const { ok, status, body } = response;
  if (!ok || !body) throw new InputError(`${url}: the server answered ${status}`);
  const place = response.headers.get('content-range');
  if (status === 206 && place !== null && !place.startsWith(`bytes ${from}-`))
    throw new InputError(`${url}: asked for the bytes from ${from} on, the server gave ${place}`);
  return { body: body as AsyncIterable<Uint8Array>, isContinued: from === 0 || status === 206 };
}
