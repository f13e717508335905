/** Large files in the browser's cache. */
import type { PageCache } from './page.js';

/** Chromium refuses entries of 600 MB. */
const partSize = 2 ** 26;

const partUrl = (url: string, index: number) => `${url}?part=${index}`;

/** What says, under the file's own address, that all of its parts are there. */
interface Kept {
  readonly version: string;
  readonly size: number;
}

/** A file as it was kept; undefined where it is not there in that version. */
export async function findKept(
  cache: PageCache,
  url: string,
  version: string,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const found = await cache.match(url);
  const kept = (await found?.json()) as Kept | undefined;
  if (kept?.version !== version) return undefined;
  const bytes = new Uint8Array(kept.size);
  for (let start = 0; start < kept.size; start += partSize) {
    const part = await cache.match(partUrl(url, start / partSize));
    if (!part) return undefined;
    bytes.set(new Uint8Array(await part.arrayBuffer()), start);
  }
  return bytes;
}

/** Keeps a file in the place of another version; where there is no room, neither is kept. */
export async function keep(
  cache: PageCache,
  url: string,
  version: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  await cache.delete(url);
  const parts = Array.from({ length: Math.ceil(bytes.length / partSize) }, (_, i) => partUrl(url, i));
  try {
    for (const [i, part] of parts.entries())
      await cache.put(part, new Response(bytes.subarray(i * partSize, (i + 1) * partSize)));
    const kept: Kept = { version, size: bytes.length };
    await cache.put(url, new Response(JSON.stringify(kept)));
  } catch {
    for (const part of parts) await cache.delete(part);
  }
}
