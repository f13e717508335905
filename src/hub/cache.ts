/**
 * The cache of models and data sets that Hugging Face's libraries share.
 * Source: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
 */
import { mkdir, readFile, rename, symlink, writeFile, copyFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { readText } from '../checkpoint/byte-source.js';
import { exists } from '../checkpoint/paths.js';
import type { RepositoryKind } from './safe-names.js';

export const isCommit = (revision: string) => /^[0-9a-f]{40}$/.test(revision);

/** Bytes of the names of all files. */
export const largestListing = 2 ** 26;

/** One model or data set in the cache. */
export interface CachedRepository {
  readonly folder: string;
  /** The commit that a branch or tag was at when it was last asked for, if files of it are there. */
  readonly commitOf: (revision: string) => Promise<string | undefined>;
  /** A file's path; null where it is known that there is none; undefined where nothing is known. */
  readonly find: (commit: string, name: string) => Promise<string | null | undefined>;
  readonly rememberCommit: (revision: string, commit: string) => Promise<void>;
  readonly rememberAbsence: (commit: string, name: string) => Promise<void>;
  /** The names of all files, which Hugging Face's libraries do not keep; undefined where nothing is known. */
  readonly listing: (commit: string) => Promise<readonly string[] | undefined>;
  readonly rememberListing: (commit: string, names: readonly string[]) => Promise<void>;
  /** Makes a blob be the file of that name. @returns its path */
  readonly link: (commit: string, name: string, blob: string) => Promise<string>;
}

export function cachedRepository(
  cache: string,
  id: string,
  kind: RepositoryKind = 'model',
): CachedRepository {
  const folder = path.join(cache, `${kind}s--${id.replaceAll('/', '--')}`);
  const fileOf = (commit: string, name: string) => path.join(folder, 'snapshots', commit, name);
  const refOf = (revision: string) => path.join(folder, 'refs', revision);
  const readRef = async (revision: string) =>
    (await readFile(refOf(revision), 'utf8').catch(() => '')).trim();
  const absenceOf = (commit: string, name: string) => path.join(folder, '.no_exist', commit, name);
  const listingOf = (commit: string) => path.join(folder, '.listings', commit);
  return {
    folder,
    async commitOf(revision) {
      const commit = isCommit(revision) ? revision : await readRef(revision);
      return isCommit(commit) && (await exists(path.join(folder, 'snapshots', commit))) ? commit : undefined;
    },
    async find(commit, name) {
      if (await exists(fileOf(commit, name))) return fileOf(commit, name);
      return (await exists(absenceOf(commit, name))) ? null : undefined;
    },
    async rememberCommit(revision, commit) {
      // a cache that others filled may not be ours to write
      if (!isCommit(revision) && (await readRef(revision)) !== commit)
        await writeWhole(refOf(revision), commit);
    },
    // it only saves the next one asking
    rememberAbsence: (commit, name) => writeWhole(absenceOf(commit, name), '').catch(() => undefined),
    async listing(commit) {
      if (!(await exists(listingOf(commit)))) return undefined;
      return (await readText(listingOf(commit), largestListing)).split('\n').filter((name) => name !== '');
    },
    rememberListing: (commit, names) =>
      writeWhole(listingOf(commit), names.join('\n')).catch(() => undefined),
    async link(commit, name, blob) {
      const file = fileOf(commit, name);
      const temporary = `${file}.${randomUUID()}`;
      await mkdir(path.dirname(file), { recursive: true });
      // where links are not allowed, a copy does
      await symlink(path.relative(path.dirname(file), blob), temporary).catch(() =>
        copyFile(blob, temporary),
      );
      await rename(temporary, file);
      return file;
    },
  };
}

/** Other processes see the whole file or none. */
async function writeWhole(file: string, text: string): Promise<void> {
  const temporary = `${file}.${randomUUID()}`;
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(temporary, text);
  await rename(temporary, file);
}
