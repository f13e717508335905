/** Names from outside that become paths in the cache and addresses on the hub. */
import { InputError } from '../errors.js';

/** Whether a path leads below where it begins, on every system and however often it is decoded. */
const isBelow = (path: string) =>
  path.split('/').every((segment) => !/^[. ]*$|[\\:%\p{Cc}]/u.test(segment) && segment.length <= 200);

/** What a hub has, as its cache calls them. */
export type RepositoryKind = 'model' | 'dataset';

export const repositoryWords = { model: 'model', dataset: 'data set' } as const;

/** @throws InputError unless it can be a file of a model or a data set */
export function requireFileName(name: string, kind: RepositoryKind = 'model'): void {
  if (typeof name !== 'string' || !isBelow(name))
    throw new InputError(
      `expected the name of a file in a ${repositoryWords[kind]}, found ${JSON.stringify(name)}`,
    );
}

/** @throws InputError unless it can be a branch, a tag or a commit */
export function requireRevision(revision: string): void {
  if (typeof revision !== 'string' || !isBelow(revision))
    throw new InputError(`revision: expected a branch, tag or commit, found ${JSON.stringify(revision)}`);
}

/**
 * Source of the rules: `validate_repo_id` of huggingface_hub. In the cache `--` stands between owner and name.
 *
 * @throws InputError unless it can be the name of a model or a data set on the hub
 */
export function requireRepositoryId(id: string, kind: RepositoryKind = 'model'): void {
  const isId =
    typeof id === 'string' &&
    id.split('/').length <= 2 &&
    id.split('/').every((part) => /^\w([\w.-]{0,94}\w)?$/.test(part) && !/--|\.\.|\.git$/.test(part));
  if (!isId)
    throw new InputError(
      kind === 'model'
        ? `${id}: neither a folder nor the name of a model (owner/name)`
        : `${id}: not the name of a data set (owner/name)`,
    );
}

/** What a blob can be called; no part of one, which begins with a dot. */
export const isBlobName = (etag: string) => /^\w[\w.-]{0,199}$/.test(etag);
