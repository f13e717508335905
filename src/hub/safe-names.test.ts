/** Names that would lead out of the cache. */
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { commit, localHub } from '../../test/support/local-hub.js';
import { InputError } from '../errors.js';
import { openRepository } from './repository.js';

const hub = localHub();
const out = [
  '',
  '.',
  '..',
  '../x',
  'a/../../x',
  'a/..',
  './a',
  '/etc/passwd',
  'a//b',
  'a/',
  '..\\x',
  'a\\b',
  'C:',
  'C:\\x',
  'c:/x',
  '%2e%2e/x',
  'a/%2E%2e/x',
  '..%2fx',
  'a\0',
  'a\n',
  'a/.. /x',
  '...',
  'x'.repeat(201),
];

describe('of files', () => {
  test.each(out)('%j', async (name) => {
    const online = await openRepository('some/model', { revision: commit });
    await expect(online(name)).rejects.toThrow(InputError);
    await expect(online(name)).rejects.toThrow('expected the name of a file in a model');
    expect(hub.requests).toEqual([]);
    expect(existsSync(hub.cache_dir)).toBe(false);
  });

  test('offline too', async () => {
    hub.files.set('config.json', Buffer.from('{}'));
    await (
      await openRepository('some/model')
    )('config.json');
    const find = await openRepository('some/model', { local_files_only: true });
    for (const name of ['../../refs/main', '..\\..\\refs\\main', ''])
      await expect(find(name)).rejects.toThrow('expected the name of a file in a model');
  });
});

test.each(out)('of revisions: %j', async (revision) => {
  await expect(openRepository('some/model', { revision })).rejects.toThrow(
    /^revision: expected a branch, tag or commit/,
  );
});

test.each(['refs/pr/1', 'v1.0', 'feature+x'])('a revision may be %s', async (revision) => {
  await expect(openRepository('some/model', { revision })).resolves.toBeTypeOf('function');
});

test.each([...out, 'a/b/c', 'a b', 'a--b/c', '.a/b', 'a/b.', '-a/b', 'a/b.git', 'a/b..c', 'ä/b'])(
  'of models: %j',
  async (id) => {
    await expect(openRepository(id)).rejects.toThrow(
      /neither a folder nor the name of a model \(owner\/name\)$/,
    );
  },
);

test('of models: a value that is no text', async () => {
  await expect(openRepository(7 as unknown as string)).rejects.toThrow(InputError);
});
