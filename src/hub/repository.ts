import { stat } from 'node:fs/promises';
import path from 'node:path';
import { InputError } from '../errors.js';
import { cachedRepository, isCommit, type CachedRepository } from './cache.js';
import { checksumOfEtag } from './checksum.js';
import { download } from './download.js';
import { cacheFolder, endpointOf, isOffline, readToken, timeLimitsOf } from './environment.js';
import { createGroup } from './group.js';
import { progressTeller, type DownloadProgress, type ProgressTeller } from './progress.js';
import { refusal, Unavailable } from './refusal.js';
import { listFiles } from './list-files.js';
import { describe, headersOf, urlOf, type Remote, type RemoteContent, type RemoteFile } from './remote.js';
import {
  repositoryWords,
  requireFileName,
  requireRepositoryId,
  requireRevision,
  type RepositoryKind,
} from './safe-names.js';

export interface HubOptions {
  /** A branch, tag or commit; `main` by default. */
  readonly revision?: string;
  /** The cache of Hugging Face's libraries by default. */
  readonly cache_dir?: string;
  /** Uses the cache only, as does the variable `HF_HUB_OFFLINE`. */
  readonly local_files_only?: boolean;
  /** For models and data sets that are not public; `HF_TOKEN` or the file of `hf auth login` by default. */
  readonly token?: string;
  readonly progress_callback?: (progress: DownloadProgress) => void;
  readonly signal?: AbortSignal;
}

/** Finds a file of a model or a data set; undefined where it has none of that name. */
export type FindFile = (name: string) => Promise<string | undefined>;

export interface RepositoryFiles {
  readonly find: FindFile;
  /** The names of all files. @throws InputError where they cannot be had */
  readonly list: () => Promise<readonly string[]>;
}

/** Of huggingface_hub too. */
const mostDownloads = 8;

/**
 * The files of a model on the hub, by way of the cache: each is downloaded when it is first asked for. All are of one
 * commit. Files may be asked for side by side: where one of them cannot be had, the others that are under way are given
 * up with the same error, and go on where they were when they are asked for again.
 *
 * @param id `owner/name`
 * @throws InputError where the model cannot be had, saying what to do
 */
export async function openRepository(id: string, options: HubOptions = {}): Promise<FindFile> {
  return (await openFiles(id, 'model', options)).find;
}

/**
 * The files of a data set on the hub, as `openRepository` has those of a model. Their names are remembered in the cache.
 *
 * @param id `owner/name`
 * @throws InputError where the data set cannot be had, saying what to do
 */
export const openDatasetRepository = (id: string, options: HubOptions = {}): Promise<RepositoryFiles> =>
  openFiles(id, 'dataset', options);

async function openFiles(id: string, kind: RepositoryKind, options: HubOptions): Promise<RepositoryFiles> {
  requireRepositoryId(id, kind);
  const { revision = 'main', progress_callback, signal: outer } = options;
  requireRevision(revision);
  const { env } = process;
  const cache = options.cache_dir ?? cacheFolder(env);
  const cached = cachedRepository(cache, id, kind);
  if (options.local_files_only ?? isOffline(env)) {
    const commit = await cached.commitOf(revision);
    if (commit === undefined)
      throw new InputError(
        `${id} is not in the cache (${cache}), revision ${revision}. Load it once online (without local_files_only and HF_HUB_OFFLINE), or give a ${kind === 'model' ? 'folder' : 'file'}.`,
      );
    return {
      async find(name) {
        requireFileName(name, kind);
        return (await cached.find(commit, name)) ?? undefined;
      },
      async list() {
        const names = await cached.listing(commit);
        if (names) return names;
        throw new InputError(
          `${id}: the cache (${cached.folder}) does not say which files it has: load it once online`,
        );
      },
    };
  }

  const remote: Remote = {
    id,
    kind,
    endpoint: endpointOf(env),
    token: await readToken(env, options.token),
    timeLimits: timeLimitsOf(env),
  };
  const model: Model = { remote, cached, revision, progress: progressTeller(id, progress_callback) };
  const inGroup = createGroup(mostDownloads, outer);
  const underWay = new Map<string, Promise<string | undefined>>();
  let opened: Promise<Opened> | undefined;
  // every file is of the commit of the first
  const openedBy = (name: string, signal: AbortSignal) =>
    (opened ??= open(model, name, signal).catch((error: unknown) => {
      opened = undefined;
      throw error;
    }));
  const find = (name: string) =>
    inGroup(async (signal) => findAt(model, await openedBy(name, signal), name, signal)).finally(() =>
      underWay.delete(name),
    );
  return {
    async find(name) {
      requireFileName(name, kind);
      const found = underWay.get(name) ?? find(name);
      underWay.set(name, found);
      return found;
    },
    list: () => inGroup(async (signal) => listAt(model, await openedBy('README.md', signal), signal)),
  };
}

interface Model {
  readonly remote: Remote;
  readonly cached: CachedRepository;
  readonly revision: string;
  readonly progress: ProgressTeller;
}

interface Opened {
  readonly commit: string;
  /** What the hub said when it was asked for the commit. */
  readonly first?: { readonly name: string; readonly file: RemoteFile };
  /** Why there is only the cache. */
  readonly problem?: Unavailable;
}

/** Finds out what commit the revision is, by asking for a file of it; from the cache where there is no answer. */
async function open({ remote, cached, revision }: Model, name: string, signal: AbortSignal): Promise<Opened> {
  if (isCommit(revision)) return { commit: revision };
  try {
    const file = await describe(remote, revision, name, signal);
    await cached.rememberCommit(revision, file.commit);
    return { commit: file.commit, first: { name, file } };
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    const commit = await cached.commitOf(revision);
    if (commit !== undefined) return { commit, problem: error };
    throw new InputError(
      `${error.message}; ${remote.id} is not in the cache (${cached.folder}), revision ${revision}`,
    );
  }
}

async function findAt(
  model: Model,
  { commit, first, problem }: Opened,
  name: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { remote, cached } = model;
  const known = await cached.find(commit, name);
  if (known !== undefined) return known ?? undefined;
  if (problem)
    throw new InputError(
      `${problem.message}; the cache does not say whether ${remote.id} has ${name}: HF_HUB_OFFLINE=1 takes it as if it had not`,
    );
  const file = first?.name === name ? first.file : await describe(remote, commit, name, signal);
  if (file.commit !== commit)
    throw new InputError(`${remote.id}: ${name}: expected it of commit ${commit}, found ${file.commit}`);
  if (file.content) return fetchFile(model, commit, name, file.content, signal);
  await cached.rememberAbsence(commit, name);
  return undefined;
}

async function listAt(
  { remote, cached }: Model,
  { commit, problem }: Opened,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const known = await cached.listing(commit);
  if (known) return known;
  if (problem)
    throw new InputError(
      `${problem.message}; the cache does not say which files the ${repositoryWords[remote.kind]} ${remote.id} has`,
    );
  const names = await listFiles(remote, commit, signal);
  await cached.rememberListing(commit, names);
  return names;
}

async function fetchFile(
  { remote, cached, progress }: Model,
  commit: string,
  name: string,
  { etag, size }: RemoteContent,
  signal: AbortSignal,
): Promise<string> {
  const blob = path.join(cached.folder, 'blobs', etag);
  const isThere = await stat(blob).then(
    (status) => status.size === size,
    () => false,
  );
  if (!isThere) {
    progress.begin(name, size);
    await download(
      {
        url: urlOf(remote, commit, name),
        headers: headersOf(remote),
        size,
        etag,
        checksum: checksumOfEtag(etag),
        onBytes: (loaded) => {
          progress.advance(name, loaded);
        },
        signal,
        timeLimit: remote.timeLimits.downloading,
        refuse: (response) => refusal({ ...remote, revision: commit, file: name }, response),
      },
      blob,
    );
    progress.end(name);
  }
  return cached.link(commit, name, blob);
}
