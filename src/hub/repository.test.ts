import { mkdir, readFile, readdir, readlink, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { fixture } from '../../test/support/fixture.js';
import { commit, gitBlob, localHub, sha256 } from '../../test/support/local-hub.js';
import { InputError } from '../errors.js';
import { MegatronBertModel } from '../pretrained/classes.js';
import { openRepository, type HubOptions } from './repository.js';

const hub = localHub();
beforeEach(async () => {
  vi.stubEnv('HF_TOKEN', 'secret');
  for (const name of ['config.json', 'model.safetensors'])
    hub.files.set(name, await readFile(fixture(`models/model/${name}`)));
});

const open = (options: HubOptions = {}) => openRepository('some/model', options);
const get = async (name: string, options?: HubOptions) => (await open(options))(name);
const folder = () => path.join(hub.cache_dir, 'models--some--model');
const inSnapshot = (name: string) => path.join(folder(), 'snapshots', commit, name);

test('a model is loaded by its name, and then without the hub', async () => {
  const model = await MegatronBertModel.from_pretrained('some/model');
  const outputs = await model.forward({ input_ids: [[5, 6]] });
  const again = await MegatronBertModel.from_pretrained('some/model', { local_files_only: true });
  expect(await again.forward({ input_ids: [[5, 6]] })).toEqual(outputs);
  hub.requests.length = 0;
  for (const variable of ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE']) {
    vi.stubEnv(variable, '1');
    await MegatronBertModel.from_pretrained('some/model');
    vi.stubEnv(variable, '');
  }
  expect(hub.requests).toEqual([]);
});

describe('the cache', () => {
  test("is laid out as Hugging Face's libraries lay it out", async () => {
    hub.files.set('sub/words.txt', Buffer.from('words'));
    const find = await open();
    expect(await find('config.json')).toBe(inSnapshot('config.json'));
    const blob = gitBlob(hub.files.get('config.json')!);
    expect(await readlink(inSnapshot('config.json'))).toBe(path.join('..', '..', 'blobs', blob));
    expect(await readdir(path.join(folder(), 'blobs'))).toEqual([blob]);
    expect(await readFile(path.join(folder(), 'refs', 'main'), 'utf8')).toBe(commit);
    expect(await find('nothing.json')).toBeUndefined();
    expect(await readdir(path.join(folder(), '.no_exist', commit))).toEqual(['nothing.json']);
    expect(await readlink((await find('sub/words.txt'))!)).toBe(
      path.join('..', '..', '..', 'blobs', gitBlob(Buffer.from('words'))),
    );
    expect(path.basename(await readlink((await find('model.safetensors'))!))).toBe(
      sha256(hub.files.get('model.safetensors')!),
    );
  });

  test("of Python's library is used", async () => {
    await mkdir(path.join(folder(), 'refs'), { recursive: true });
    await mkdir(path.join(folder(), 'snapshots', commit), { recursive: true });
    await writeFile(path.join(folder(), 'refs', 'main'), commit);
    await writeFile(inSnapshot('config.json'), '{}');
    const find = await open({ local_files_only: true });
    expect(await find('config.json')).toBe(inSnapshot('config.json'));
    expect(await find('model.safetensors')).toBeUndefined();
    expect(hub.requests).toEqual([]);
  });

  test('is asked before the hub: a file is downloaded once, and its absence asked for once', async () => {
    const find = await open({ revision: commit });
    for (let i = 0; i < 3; i++) {
      await find('config.json');
      await find('nothing.json');
    }
    expect(hub.requests.map(({ method }) => method)).toEqual(['HEAD', 'GET', 'HEAD']);
    hub.requests.length = 0;
    expect(await get('config.json', { revision: commit })).toBe(inSnapshot('config.json'));
    expect(hub.requests).toEqual([]);
  });

  test('is written only where something is new', async () => {
    await get('config.json');
    const before = await stat(path.join(folder(), 'refs', 'main'));
    // as in a cache that others filled, and that is theirs
    await writeFile(path.join(folder(), '.no_exist'), '');
    const find = await open();
    expect(await find('config.json')).toBe(inSnapshot('config.json'));
    expect(await find('nothing.json')).toBeUndefined();
    expect((await stat(path.join(folder(), 'refs', 'main'))).ino).toBe(before.ino);
  });

  test.each([
    [
      'cache_dir',
      () => ({ cache_dir: path.join(hub.cache_dir, 'own') }),
      () => path.join(hub.cache_dir, 'own'),
    ],
    ['HF_HUB_CACHE', () => ({}), () => hub.cache_dir],
    [
      'HF_HOME',
      () => {
        vi.stubEnv('HF_HUB_CACHE', '');
        vi.stubEnv('HF_HOME', hub.cache_dir);
        return {};
      },
      () => path.join(hub.cache_dir, 'hub'),
    ],
    [
      'XDG_CACHE_HOME',
      () => {
        for (const name of ['HF_HUB_CACHE', 'HF_HOME']) vi.stubEnv(name, '');
        vi.stubEnv('XDG_CACHE_HOME', hub.cache_dir);
        return {};
      },
      () => path.join(hub.cache_dir, 'huggingface', 'hub'),
    ],
  ])('is where %s says', async (_, options, cache) => {
    const file = await get('config.json', options());
    expect(file).toBe(path.join(cache(), 'models--some--model', 'snapshots', commit, 'config.json'));
  });

  test('is in the home folder where the variable says ~', async () => {
    vi.stubEnv('HF_HUB_CACHE', '~/no such folder');
    await expect(open({ local_files_only: true })).rejects.toThrow(path.join(homedir(), 'no such folder'));
  });
});

describe('files that are asked for side by side', () => {
  test('are each downloaded once', async () => {
    const find = await open();
    const names = [
      'model.safetensors',
      'config.json',
      'model.safetensors',
      'nothing',
      'config.json',
      'nothing',
    ];
    const found = await Promise.all(names.map(find));
    expect(found).toEqual(names.map((name) => (name === 'nothing' ? undefined : inSnapshot(name))));
    const asked = hub.requests.filter(({ isStorage }) => !isStorage);
    expect(asked.map(({ method, path: place }) => `${method} ${place.split('/').at(-1)!}`).sort()).toEqual([
      'GET config.json',
      'GET model.safetensors',
      'HEAD config.json',
      'HEAD model.safetensors',
      'HEAD nothing',
    ]);
  });

  test('are of one commit, also where the branch goes on meanwhile', async () => {
    hub.instead = ({ method }) => {
      if (method === 'HEAD') setCommit(hub.requests.length);
      return false;
    };
    const setCommit = (n: number) => (hub.commit = n === 1 ? commit : 'b'.repeat(40));
    const find = await open();
    const names = ['config.json', 'model.safetensors', 'nothing'];
    expect(await Promise.all(names.map(find))).toEqual([
      inSnapshot(names[0]!),
      inSnapshot(names[1]!),
      undefined,
    ]);
    expect(hub.requests.filter(({ path: place }) => place.includes('/resolve/main/'))).toHaveLength(1);
    expect(await readdir(path.join(folder(), 'snapshots'))).toEqual([commit]);
  });

  test('are downloaded eight at a time', async () => {
    const names = Array.from({ length: 20 }, (_, i) => `part-${i}.safetensors`);
    for (const name of names) hub.files.set(name, Buffer.from(name));
    const held: (() => void)[] = [];
    let [most, begun] = [0, 0];
    hub.instead = ({ isStorage, path: place }, response) => {
      if (!isStorage) return false;
      held.push(() => response.end(hub.files.get(place)));
      most = Math.max(most, held.length);
      begun++;
      const isRound = held.length === Math.min(8, names.length - begun + held.length);
      if (isRound) void releaseLater();
      return true;
    };
    // a ninth would have come before what is asked for now
    const releaseLater = async () => {
      for (let i = 0; i < 5; i++) await fetch(hub.endpoint);
      for (const release of held.splice(0)) release();
    };
    await Promise.all(names.map(await open({ revision: commit })));
    expect([most, begun]).toEqual([8, 20]);
  });

  test('of several openings too give the file', async () => {
    const find = () => get('model.safetensors');
    for (const file of await Promise.all([find(), find(), find()]))
      expect(await readFile(file!)).toEqual(hub.files.get('model.safetensors'));
    expect(await readdir(path.join(folder(), 'blobs'))).toHaveLength(1);
  });

  test('are given up together where one cannot be had, and can go on', async () => {
    hub.files.set('other.safetensors', Buffer.alloc(500, 'b'));
    hub.files.set('third.safetensors', Buffer.alloc(500, 'c'));
    const bytes = hub.files.get('model.safetensors')!;
    // as soon as the one has come half and the other was asked for, whichever is first
    let isHalfLoaded = false;
    let answer: (() => void) | undefined;
    const spoil = () => {
      if (isHalfLoaded) answer?.();
    };
    hub.instead = ({ path: place, isStorage }, response) => {
      if (!isStorage) return false;
      if (place === 'model.safetensors') response.writeHead(200).write(bytes.subarray(0, 1000));
      if (place === 'other.safetensors') {
        answer = () => response.end(Buffer.alloc(500, 'x'));
        spoil();
      }
      // the third never gets an answer
      return true;
    };
    const find = await open({
      progress_callback({ status, loaded }) {
        if (status !== 'progress' || loaded !== 1000) return;
        isHalfLoaded = true;
        spoil();
      },
    });
    const names = ['config.json', 'other.safetensors', 'third.safetensors', 'model.safetensors'];
    const found = names.map(find);
    await expect(Promise.all(found)).rejects.toThrow(/other.safetensors: expected the SHA-256/);
    const settled = await Promise.allSettled(found);
    for (const { status, reason } of settled.slice(1) as PromiseRejectedResult[]) {
      expect(status).toBe('rejected');
      expect(String(reason)).toContain('other.safetensors: expected the SHA-256');
    }
    hub.instead = () => false;
    hub.requests.length = 0;
    expect(await Promise.all(names.map(find))).toEqual(names.map(inSnapshot));
    expect(hub.gets('model.safetensors').map(({ range }) => range)).toEqual(['bytes=1000-', 'bytes=1000-']);
  });
});

describe('the hub', () => {
  test('alone is given the token', async () => {
    await get('model.safetensors');
    expect(hub.requests.map(({ isStorage, token }) => [isStorage, token])).toEqual([
      [false, 'Bearer secret'],
      [false, 'Bearer secret'],
      [true, undefined],
    ]);
  });

  test.each(['http:', ''])('may lead to another with %j, without the token', async (scheme) => {
    const bytes = hub.files.get('config.json')!;
    hub.instead = ({ method, isStorage }, response) => {
      if (method !== 'HEAD') return false;
      if (isStorage)
        response.writeHead(200, {
          'X-Repo-Commit': commit,
          ETag: `"${gitBlob(bytes)}"`,
          'Content-Length': bytes.length,
        });
      else response.writeHead(307, { Location: `${hub.storage.replace('http:', scheme)}/config.json` });
      response.end();
      return true;
    };
    await get('config.json');
    expect(hub.requests.map(({ method, isStorage, token }) => [method, isStorage, token])).toEqual([
      ['HEAD', false, 'Bearer secret'],
      ['HEAD', true, undefined],
      ['GET', false, 'Bearer secret'],
    ]);
  });

  test('has renamed models under their old names', async () => {
    hub.instead = ({ path: place }, response) => {
      if (!place.startsWith('old/name')) return false;
      response.writeHead(307, { Location: `/${place.replace('old/name', 'some/model')}` }).end();
      return true;
    };
    const find = await openRepository('old/name');
    expect(await readFile((await find('model.safetensors'))!)).toEqual(hub.files.get('model.safetensors'));
  });

  test.each([
    ['', '/'],
    ['/', '/'],
    ['/mirror/hub', '/mirror/hub/'],
    ['/mirror/hub//', '/mirror/hub/'],
  ])('may be at an address that ends with %j', async (end, before) => {
    vi.stubEnv('HF_ENDPOINT', hub.endpoint + end);
    for (const [name, bytes] of hub.files) expect(await readFile((await get(name))!)).toEqual(bytes);
    const asked = hub.requests.filter(({ isStorage }) => !isStorage);
    expect(new Set(asked.map((request) => request.before))).toEqual(new Set([before]));
  });

  test.each([
    ['the option', () => Promise.resolve({ token: 'given' }), 'Bearer given'],
    ['HF_TOKEN', () => Promise.resolve({}), 'Bearer secret'],
    [
      'the file of a login',
      async () => {
        vi.stubEnv('HF_TOKEN', '');
        vi.stubEnv('HF_TOKEN_PATH', path.join(hub.cache_dir, 'token'));
        await mkdir(hub.cache_dir);
        await writeFile(path.join(hub.cache_dir, 'token'), 'stored\n');
        return {};
      },
      'Bearer stored',
    ],
  ])('gets the token of %s', async (_, options, token) => {
    await get('config.json', await options());
    expect(hub.requests[0]!.token).toBe(token);
  });
});

describe('without an answer the cache is used', () => {
  const silent = () => {
    vi.stubEnv('HF_HUB_ETAG_TIMEOUT', '0.05');
    hub.instead = () => true;
  };
  const broken = () => {
    hub.instead = (_, response) => {
      response.writeHead(503).end();
      return true;
    };
  };
  const away = () => vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:9');

  test.each([
    ['time runs out', silent, /cannot be reached \(no answer for 0.05 s, see HF_HUB_ETAG_TIMEOUT\)/],
    ['the hub fails', broken, /fails \(503\): try again later/],
    [
      'the hub is out of reach',
      away,
      /http:\/\/127.0.0.1:9 cannot be reached \(.*\): check the connection, or HF_ENDPOINT/,
    ],
  ])('where %s', async (_, lose, message) => {
    const first = await open();
    await first('config.json');
    expect(await first('nothing')).toBeUndefined();
    lose();
    const find = await open();
    expect(await Promise.all(['config.json', 'nothing'].map(find))).toEqual([
      inSnapshot('config.json'),
      undefined,
    ]);
    const unknown = find('model.safetensors');
    await expect(unknown).rejects.toThrow(message);
    await expect(unknown).rejects.toThrow(
      /does not say whether some\/model has model.safetensors: HF_HUB_OFFLINE=1/,
    );
    const other = (await openRepository('some/other'))('config.json');
    await expect(other).rejects.toThrow(message);
    await expect(other).rejects.toThrow(/some\/other is not in the cache .*, revision main/);
    await expect(other).rejects.toThrow(InputError);
  });

  test('and is not where it is only now that there is none', async () => {
    const find = await open();
    await find('config.json');
    broken();
    await expect(find('model.safetensors')).rejects.toThrow(/fails \(503\)/);
    hub.instead = () => false;
    expect(await find('model.safetensors')).toBe(inSnapshot('model.safetensors'));
  });
});

test('offline, what is not in the cache', async () => {
  vi.stubEnv('HF_HUB_OFFLINE', 'YES');
  await expect(open()).rejects.toThrow(/some\/model is not in the cache .* Load it once online/);
  expect(hub.requests).toEqual([]);
});
