/**
 * The names of the files of a model or a data set, page by page.
 * Source: https://huggingface.co/docs/hub/api, `list_repo_tree` of huggingface_hub
 */
import { parseJson } from '../checkpoint/unique-json.js';
import { InputError } from '../errors.js';
import { largestListing } from './cache.js';
import { reasonOf, refusal, Unavailable } from './refusal.js';
import { headersOf, type Remote } from './remote.js';
import { withTimeLimit } from './time-limit.js';

/** @throws Unavailable where the hub does not answer now, or InputError where it will not */
export async function listFiles(remote: Remote, commit: string, signal: AbortSignal): Promise<string[]> {
  const { endpoint, kind, id } = remote;
  const pages: (readonly string[])[] = [];
  let url: URL | undefined = new URL(`${endpoint}/api/${kind}s/${id}/tree/${commit}?recursive=true`);
  let left = largestListing;
  while (url) {
    const page: Page = await readPage(remote, commit, url, left, signal);
    left -= page.bytes;
    pages.push(page.names);
    url = page.next;
  }
  return pages.flat();
}

interface Page {
  readonly names: readonly string[];
  readonly bytes: number;
  readonly next: URL | undefined;
}

async function readPage(
  remote: Remote,
  revision: string,
  url: URL,
  most: number,
  outer: AbortSignal,
): Promise<Page> {
  const { bytes, link } = await withTimeLimit(remote.timeLimits.asking, outer, async (signal, heard) => {
    const response = await fetch(url, { headers: headersOf(remote), signal });
    if (!response.ok) {
      await response.body?.cancel();
      throw refusal({ ...remote, revision, file: 'the list of files' }, response);
    }
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      heard();
      size += chunk.length;
      if (size > most) throw new InputError(`${remote.id}: the list of its files is too long`);
      chunks.push(chunk);
    }
    return { bytes: Buffer.concat(chunks), link: response.headers.get('link') };
  }).catch((error: unknown) => {
    outer.throwIfAborted();
    if (error instanceof InputError) throw error;
    throw new Unavailable(
      `${url.origin} cannot be reached (${reasonOf(error)}): check the connection, or HF_ENDPOINT`,
    );
  });
  // no page is nothing, so that the pages end
  return { names: namesIn(bytes.toString(), url), bytes: bytes.length + 1, next: nextPage(link, url) };
}

/** No name of a file has an end of line, at which the cache parts them. */
function namesIn(text: string, url: URL): string[] {
  const isNamed = (entry: unknown): entry is { readonly type: unknown; readonly path: string } =>
    typeof entry === 'object' && entry !== null && typeof (entry as { path?: unknown }).path === 'string';
  const entries = parsed(text);
  if (!Array.isArray(entries) || !entries.every(isNamed))
    throw new InputError(`${url.href}: expected a list of files: is HF_ENDPOINT a hub?`);
  return entries
    .filter(({ type, path }) => type === 'file' && !/[\r\n]/.test(path))
    .map((entry) => entry.path);
}

function parsed(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

/** Form of the header: RFC 8288. The token is for no other server. */
function nextPage(link: string | null, from: URL): URL | undefined {
  const place = /<([^>]*)>\s*;\s*rel="?next"?/.exec(link ?? '')?.[1];
  if (place === undefined) return undefined;
  const next = URL.canParse(place, from.href) ? new URL(place, from) : undefined;
  if (next?.origin !== from.origin)
    throw new InputError(`${from.href}: expected further pages of the list there, found ${place}`);
  return next;
}
