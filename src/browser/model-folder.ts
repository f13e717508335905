/** A folder of files behind an address. */
import type { FromPretrainedOptions } from '../pretrained/options.js';
import { progressTeller } from '../hub/progress.js';
import { findKept, keep } from './kept-files.js';
import { readBody, request, type DownloadOptions } from './download.js';
import { openCache } from './page.js';

export interface ModelFolder {
  /** Ends with a slash. */
  readonly address: string;
  /** A small file, which the browser keeps as the server says. */
  read(name: string, largest: number): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** A large file, which is kept until the server has another. */
  readAndKeep(name: string, largest: number): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

const cacheName = 'megatron-bert';

/** @param address ends with a slash */
export function openFolder(
  address: string,
  model: string,
  { progress_callback, signal }: FromPretrainedOptions,
): ModelFolder {
  const progress = progressTeller(model, progress_callback);
  const urlOf = (name: string) => `${address}${encodeURIComponent(name)}`;
  const optionsFor = (name: string, largest: number): DownloadOptions => ({
    name,
    largest,
    progress,
    signal,
  });
  const init = { signal: signal ?? null };

  return {
    address,
    async read(name, largest) {
      const url = urlOf(name);
      const response = await request(url, init);
      return response && readBody(url, response, optionsFor(name, largest));
    },
    async readAndKeep(name, largest) {
      const url = urlOf(name);
      const cache = await openCache(cacheName);
      const response = await request(url, { ...init, ...(cache && { cache: 'no-store' }) });
      if (!response) return undefined;
      const version = versionOf(response);
      if (!cache || version === undefined) return readBody(url, response, optionsFor(name, largest));
      const kept = await findKept(cache, url, version).catch(() => undefined);
      if (kept) {
        await response.body?.cancel();
        return kept;
      }
      const bytes = await readBody(url, response, optionsFor(name, largest));
      // nothing waits for it
      void keep(cache, url, version, bytes).catch(() => undefined);
      return bytes;
    },
  };
}

const versionOf = ({ headers }: Response): string | undefined =>
  headers.get('etag') ?? headers.get('last-modified') ?? undefined;
