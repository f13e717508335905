/** One file over HTTP. */
import { InputError } from '../errors.js';
import type { ProgressTeller } from '../hub/progress.js';

export interface DownloadOptions {
  /** In the folder. */
  readonly name: string;
  /** Bytes. */
  readonly largest: number;
  readonly progress: ProgressTeller;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks for a file, whose bytes are still to come.
 *
 * @param init as `fetch` takes it
 * @returns undefined where there is no such file
 * @throws InputError naming the address, and what was answered
 */
export async function request(url: string, init: RequestInit): Promise<Response | undefined> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (error) {
    init.signal?.throwIfAborted();
    throw new InputError(
      `${url} cannot be fetched: ${(error as Error).message}. Is there a connection, and does the server allow this page (CORS)?`,
      { cause: error },
    );
  }
  const { ok, status, statusText, headers } = response;
  // servers of pages answer with their page where there is no file
  const isPage = ok && headers.get('content-type')?.startsWith('text/html');
  if (ok && !isPage) return response;
  await response.body?.cancel();
  if (isPage || status === 404) return undefined;
  if (status === 401 && new URL(url).hostname === 'huggingface.co')
    throw new InputError(`${url}: there is no such model, or it is not public`);
  throw new InputError(`${url}: expected a file, found the answer ${`${status} ${statusText}`.trim()}`);
}

/** The bytes of an answer. @throws InputError where there are too many, or they end early */
export async function readBody(
  url: string,
  { body, headers }: Response,
  { name, largest, progress, signal }: DownloadOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const announced = Number(headers.get('content-length') ?? 0);
  const requireSmall = (size: number) => {
    if (size > largest) throw new InputError(`${url}: expected at most ${largest} bytes, found ${size}`);
  };
  progress.begin(name, announced);
  let loaded = 0;
  try {
    requireSmall(announced);
    const bytes = await collect(body!, announced, (size) => {
      loaded = size;
      requireSmall(size);
      progress.advance(name, size);
    });
    progress.end(name);
    return bytes;
  } catch (error) {
    await body?.cancel().catch(() => undefined);
    signal?.throwIfAborted();
    if (error instanceof InputError) throw error;
    throw new InputError(
      `${url}: expected ${announced} bytes, could read ${loaded}: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/** @param announced bytes; there are more where they were sent in a compressed form */
async function collect(
  body: ReadableStream<Uint8Array>,
  announced: number,
  onSize: (size: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  let bytes = new Uint8Array(announced);
  let size = 0;
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return bytes.subarray(0, size);
      const end = size + value.byteLength;
      onSize(end);
      if (end > bytes.length) {
        const larger = new Uint8Array(Math.max(end, 2 * bytes.length));
        larger.set(bytes.subarray(0, size));
        bytes = larger;
      }
      bytes.set(value, size);
      size = end;
    }
  } finally {
    reader.releaseLock();
  }
}
