import { access } from 'node:fs/promises';
import path from 'node:path';
import { InputError } from '../errors.js';
import { cachedRepository, cacheFolder, readToken, type CachedRepository } from './cache.js';
import { download, type DownloadProgress } from './download.js';

export interface HubOptions {
  /** A branch, tag or commit; `main` by default. */
  readonly revision?: string;
  /** The cache of Hugging Face's libraries by default. */
  readonly cache_dir?: string;
  /** Uses the cache only, as does the variable `HF_HUB_OFFLINE`. */
  readonly local_files_only?: boolean;
  /** For models that are not public; `HF_TOKEN` or the file of `hf auth login` by default. */
  readonly token?: string;
  readonly progress_callback?: (progress: DownloadProgress) => void;
  readonly signal?: AbortSignal;
}

/** Finds a file of a model; undefined where it has none of that name. */
export type FindFile = (name: string) => Promise<string | undefined>;

/**
 * The files of a model on the hub, by way of the cache: each is downloaded when it is first asked for.
 *
 * @param id `owner/name`
 * @throws InputError where the model cannot be had, saying what to do
 */
export async function openRepository(id: string, options: HubOptions = {}): Promise<FindFile> {
  if (!/^[\w.-]+(\/[\w.-]+)?$/.test(id) || id.includes('..'))
    throw new InputError(`${id}: neither a folder nor the name of a model (owner/name)`);
  const { env } = process;
  const revision = options.revision ?? 'main';
  if (!/^[\w./-]+$/.test(revision) || revision.includes('..'))
    throw new InputError(`revision: expected a branch, tag or commit, found ${JSON.stringify(revision)}`);
  const cache = options.cache_dir ?? cacheFolder(env);
  const cached = cachedRepository(cache, id);
  const isOffline = options.local_files_only ?? isSet(env.HF_HUB_OFFLINE ?? env.TRANSFORMERS_OFFLINE);
  if (isOffline) return findCached(cached, revision, `${id} is not in the cache (${cache})`, 'offline');

  const token = options.token ?? (await readToken(env));
  const remote: Remote = {
    id,
    endpoint: (env.HF_ENDPOINT ?? 'https://huggingface.co').replace(/\/+$/, ''),
    headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
    options,
  };
  // every file is of the commit of the first
  let commit = await cached.commitOf(revision).then((known) => (known === revision ? known : undefined));
  return async (name) => {
    requireName(name);
    if (commit !== undefined) {
      const known = await cached.find(commit, name);
      if (known !== undefined) return known ?? undefined;
    }
    let found: RemoteFile;
    try {
      found = await describe(remote, commit ?? revision, name);
    } catch (error) {
      if (error instanceof InputError) throw error;
      const problem = `${remote.endpoint} cannot be reached (${reasonOf(error)}), and ${id} is not in the cache (${cache})`;
      return (await findCached(cached, revision, problem, 'unreachable'))(name);
    }
    commit ??= found.commit;
    await cached.rememberCommit(revision, found.commit);
    if (!found.content) {
      await cached.rememberAbsence(found.commit, name);
      return undefined;
    }
    return (
      (await cached.find(found.commit, name)) ??
      (await fetchFile(remote, cached, name, found.commit, found.content))
    );
  };
}

const isSet = (value: string | undefined) => value !== undefined && /^(1|true|yes|on)$/i.test(value);

const reasonOf = (error: unknown) => {
  const { message, cause } = error as Error;
  return cause instanceof Error ? cause.message : message;
};

function requireName(name: string): void {
  if (path.isAbsolute(name) || name.split(/[\\/]/).includes('..'))
    throw new InputError(`expected the name of a file in a model, found ${JSON.stringify(name)}`);
}

/** @throws InputError where the cache has nothing of that revision */
async function findCached(
  cached: CachedRepository,
  revision: string,
  problem: string,
  why: 'offline' | 'unreachable',
): Promise<FindFile> {
  const commit = await cached.commitOf(revision);
  const isKnown =
    commit !== undefined &&
    (await access(path.join(cached.folder, 'snapshots', commit)).then(
      () => true,
      () => false,
    ));
  if (!isKnown)
    throw new InputError(
      `${problem}, revision ${revision}. ${why === 'offline' ? 'Load it once online (without local_files_only and HF_HUB_OFFLINE)' : 'Check the connection, or HF_ENDPOINT'}, or give a folder.`,
    );
  return async (name) => {
    requireName(name);
    return (await cached.find(commit, name)) ?? undefined;
  };
}

interface Remote {
  readonly id: string;
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly options: HubOptions;
}

interface RemoteFile {
  readonly commit: string;
  /** Undefined where there is no such file. */
  readonly content: { readonly etag: string; readonly size: number } | undefined;
}

const urlOf = ({ endpoint, id }: Remote, revision: string, name: string) =>
  `${endpoint}/${id}/resolve/${encodeURIComponent(revision)}/${name.split('/').map(encodeURIComponent).join('/')}`;

/** What the hub says of a file: large ones are elsewhere, and the answer that says where has their size. */
async function describe(remote: Remote, revision: string, name: string): Promise<RemoteFile> {
  let url = urlOf(remote, revision, name);
  let response = await head(remote, url);
  // a model that was renamed
  for (let moves = 0; moves < 3 && response.headers.get('location')?.startsWith('/'); moves++) {
    url = new URL(response.headers.get('location')!, url).href;
    response = await head(remote, url);
  }
  const { status, headers } = response;
  const commit = headers.get('x-repo-commit') ?? '';
  const isAbsent = status === 404 && headers.get('x-error-code') === 'EntryNotFound';
  if (status >= 400 && !isAbsent) throw refusal(remote, revision, name, response);
  if (!/^[0-9a-f]{40}$/.test(commit))
    throw new InputError(`${url}: the server answered without the commit that a hub has`);
  if (isAbsent) return { commit, content: undefined };
  const etag = (headers.get('x-linked-etag') ?? headers.get('etag') ?? '').replace(/^W\/|"/g, '');
  const size = Number(headers.get('x-linked-size') ?? headers.get('content-length') ?? NaN);
  if (!/^[\w.-]+$/.test(etag) || !Number.isSafeInteger(size) || size < 0)
    throw new InputError(`${url}: the server answered without the file's size and ETag`);
  return { commit, content: { etag, size } };
}

const head = ({ headers, options: { signal } }: Remote, url: string) =>
  fetch(url, {
    method: 'HEAD',
    redirect: 'manual',
    // sizes are of the file, not of what is sent
    headers: { ...headers, 'Accept-Encoding': 'identity' },
    ...(signal && { signal }),
  });

function refusal({ id, endpoint }: Remote, revision: string, name: string, response: Response): InputError {
  const code = response.headers.get('x-error-code');
  const { status } = response;
  if (code === 'GatedRepo' || status === 403)
    return new InputError(
      `${id} is only for those who accepted its terms: do so at ${endpoint}/${id}, and give your token as HF_TOKEN`,
    );
  if (code === 'RevisionNotFound') return new InputError(`${id} has no revision ${revision}`);
  if (code === 'RepoNotFound' || status === 401 || status === 404)
    return new InputError(
      `${id}: neither a folder here nor a public model on ${endpoint}; for a private one give your token as HF_TOKEN`,
    );
  return new InputError(`${id}: ${name}: ${endpoint} answered ${status}`);
}

async function fetchFile(
  remote: Remote,
  cached: CachedRepository,
  name: string,
  commit: string,
  { etag, size }: { readonly etag: string; readonly size: number },
): Promise<string> {
  const blob = path.join(cached.folder, 'blobs', etag);
  const tell = (status: DownloadProgress['status'], loaded?: number) =>
    remote.options.progress_callback?.({
      status,
      name: remote.id,
      file: name,
      ...(loaded !== undefined && {
        loaded,
        total: size,
        progress: size === 0 ? 100 : (100 * loaded) / size,
      }),
    });
  const isThere = await access(blob).then(
    () => true,
    () => false,
  );
  if (!isThere) {
    tell('initiate');
    tell('download');
    await download(
      {
        url: urlOf(remote, commit, name),
        headers: remote.headers,
        size,
        etag,
        // of large files the ETag is the checksum
        sha256: /^[0-9a-f]{64}$/.test(etag) ? etag : undefined,
        onBytes: (loaded) => tell('progress', loaded),
        signal: remote.options.signal,
      },
      blob,
    );
    tell('done');
  }
  return cached.link(commit, name, blob);
}
