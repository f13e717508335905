/** A model or a data set on a hub, as it answers over HTTP. */
import { InputError } from '../errors.js';
import type { TimeLimits, Token } from './environment.js';
import { pageOf, reasonOf, refusal, Unavailable } from './refusal.js';
import { isBlobName, type RepositoryKind } from './safe-names.js';
import { withTimeLimit } from './time-limit.js';

export interface Remote {
  readonly id: string;
  readonly kind: RepositoryKind;
  readonly endpoint: string;
  readonly token: Token | undefined;
  readonly timeLimits: TimeLimits;
}

export interface RemoteContent {
  readonly etag: string;
  /** In bytes. */
  readonly size: number;
}

export interface RemoteFile {
  readonly commit: string;
  /** Undefined where there is no such file. */
  readonly content: RemoteContent | undefined;
}

export const urlOf = (remote: Remote, revision: string, name: string) =>
  `${pageOf(remote)}/resolve/${encodeURIComponent(revision)}/${name.split('/').map(encodeURIComponent).join('/')}`;

export const headersOf = ({ token }: Remote): Record<string, string> =>
  token ? { Authorization: `Bearer ${token.value}` } : {};

/**
 * What the hub says of a file: large ones are elsewhere, and the answer that says where has their size.
 *
 * @throws Unavailable where it does not answer now, or InputError where it will not
 */
export async function describe(
  remote: Remote,
  revision: string,
  name: string,
  signal: AbortSignal,
): Promise<RemoteFile> {
  const response = await ask(remote, urlOf(remote, revision, name), signal);
  const { status, headers, url } = response;
  const isAbsent = status === 404 && headers.get('x-error-code') === 'EntryNotFound';
  if (status >= 400 && !isAbsent) throw refusal({ ...remote, revision, file: name }, response);
  const commit = headers.get('x-repo-commit') ?? '';
  if (!/^[0-9a-f]{40}$/.test(commit))
    throw new InputError(`${url} came without the commit that a hub names: is HF_ENDPOINT a hub?`);
  if (isAbsent) return { commit, content: undefined };
  const etag = (headers.get('x-linked-etag') ?? headers.get('etag') ?? '').replace(/^W\/|"/g, '');
  // a redirection's own length is of no file
  const length = headers.get('x-linked-size') ?? (status < 300 ? headers.get('content-length') : null);
  const size = /^\d+$/.test(length ?? '') ? Number(length) : NaN;
  if (!isBlobName(etag) || !Number.isSafeInteger(size))
    throw new InputError(`${url} came without the size and the ETag that a hub gives: is HF_ENDPOINT a hub?`);
  return { commit, content: { etag, size } };
}

/** Follows redirections as far as what they lead to says more: a renamed model's, a mirror's; without the token elsewhere. */
async function ask(remote: Remote, start: string, signal: AbortSignal): Promise<Response> {
  const { origin } = new URL(remote.endpoint);
  let url = new URL(start);
  try {
    for (let moves = 0; ; moves++) {
      const response = await head(remote, url, url.origin === origin, signal);
      const location = response.headers.get('location');
      const next = response.status < 400 && location !== null ? new URL(location, url) : undefined;
      const isFound = next?.origin !== origin && response.headers.has('x-repo-commit');
      if (!next || isFound || moves === mostMoves) return response;
      url = next;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw new Unavailable(
      `${url.origin} cannot be reached (${reasonOf(error)}): check the connection, or HF_ENDPOINT`,
    );
  }
}

const mostMoves = 5;

const head = (remote: Remote, url: URL, isHub: boolean, outer: AbortSignal) =>
  withTimeLimit(remote.timeLimits.asking, outer, (signal) =>
    fetch(url, {
      method: 'HEAD',
      redirect: 'manual',
      // sizes are of the file, not of what is sent
      headers: { ...(isHub && headersOf(remote)), 'Accept-Encoding': 'identity' },
      signal,
    }),
  );
