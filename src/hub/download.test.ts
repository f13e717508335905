/** Downloads of a model's files that do not go as they should. */
import { existsSync } from 'node:fs';
import { readFile, readdir, truncate, unlink } from 'node:fs/promises';
import path from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { commit, gitBlob, localHub, refuse, sendRest } from '../../test/support/local-hub.js';
import { InputError } from '../errors.js';
import type { DownloadProgress } from './progress.js';
import { openRepository, type HubOptions } from './repository.js';

const hub = localHub();
const config = Buffer.from('{ "model_type": "megatron-bert" }');
const weights = Buffer.from(Array.from({ length: 5000 }, (_, i) => i));
beforeEach(() => {
  hub.files.set('config.json', config);
  hub.files.set('model.safetensors', weights);
});

const get = async (name = 'model.safetensors', options: HubOptions = {}) =>
  (await openRepository('some/model', options))(name);
const blobs = () => readdir(path.join(hub.cache_dir, 'models--some--model', 'blobs'));
const snapshot = () => path.join(hub.cache_dir, 'models--some--model', 'snapshots', commit);

/** Cuts the next downloads after so many bytes each. */
function cutAfter(...counts: number[]): void {
  hub.instead = ({ isStorage, range }, response) => {
    const count = isStorage ? counts.shift() : undefined;
    if (count === undefined) return false;
    sendRest(weights, { range }, response, count);
    return true;
  };
}

describe('a connection that is cut', () => {
  test('is taken up where it ended', async () => {
    cutAfter(1000, 10);
    expect(await readFile((await get())!)).toEqual(weights);
    const stored = hub.requests.filter(({ isStorage }) => isStorage);
    expect(stored.map(({ range }) => range)).toEqual([undefined, 'bytes=1000-', 'bytes=1010-']);
  });

  test('again and again, is given up, and the next call goes on', async () => {
    cutAfter(1000, 0, 0, 0, 0, 0, 0);
    const failed = get();
    await expect(failed).rejects.toThrow(
      /model.safetensors: the connection was cut after 1000 of 5000 bytes: .*; the same again goes on from there/,
    );
    await expect(failed).rejects.toThrow(InputError);
    expect(await blobs()).toEqual([expect.stringContaining('.incomplete-')]);
    hub.requests.length = 0;
    expect(await readFile((await get())!)).toEqual(weights);
    expect(hub.requests.at(-1)!.range).toBe('bytes=1000-');
    expect(await blobs()).toHaveLength(1);
  });

  test('is begun anew where the server cannot continue', async () => {
    let isFirst = true;
    hub.instead = ({ isStorage }, response) => {
      if (!isStorage) return false;
      sendRest(weights, { range: undefined }, response, isFirst ? 1000 : Infinity);
      isFirst = false;
      return true;
    };
    expect(await readFile((await get())!)).toEqual(weights);
  });

  test('counts as cut where nothing comes for a time', async () => {
    vi.stubEnv('HF_HUB_DOWNLOAD_TIMEOUT', '0.2');
    hub.instead = ({ isStorage, range }, response) => {
      if (isStorage && range === undefined) response.writeHead(200).write(weights.subarray(0, 700));
      return isStorage;
    };
    await expect(get()).rejects.toThrow(
      /cut after 700 of 5000 bytes: no byte for 0.2 s, see HF_HUB_DOWNLOAD_TIMEOUT/,
    );
    vi.stubEnv('HF_HUB_DOWNLOAD_TIMEOUT', '');
    hub.instead = () => false;
    expect(await readFile((await get())!)).toEqual(weights);
    expect(hub.requests.at(-1)!.range).toBe('bytes=700-');
  });

  test('by a server that fails is gone on with later', async () => {
    hub.instead = ({ isStorage, range }, response) => {
      if (isStorage && range !== undefined) refuse(response, 503);
      else if (isStorage) sendRest(weights, { range }, response, 1000);
      return isStorage;
    };
    await expect(get()).rejects.toThrow(/^http:\/\/127.0.0.1:\d+ fails \(503\): try again later$/);
    hub.instead = () => false;
    await get();
    expect(hub.requests.at(-1)!.range).toBe('bytes=1000-');
  });
});

describe('a file that is not as announced is refused, and nothing of it stays', () => {
  const other = (bytes: Buffer) => Buffer.from(bytes).fill(7, 20, 21);
  test.each<[string, string, Buffer, RegExp]>([
    [
      'other bytes of a large file',
      'model.safetensors',
      other(weights),
      /model.safetensors: expected the SHA-256 \w{64}, found \w{64}$/,
    ],
    [
      'more bytes',
      'model.safetensors',
      Buffer.concat([weights, config]),
      /model.safetensors: expected 5000 bytes, found more/,
    ],
    [
      'other bytes of a small file',
      'config.json',
      other(config),
      new RegExp(
        `config.json: expected the git blob SHA-1 ${gitBlob(config)}, found ${gitBlob(other(config))}$`,
      ),
    ],
    [
      'more bytes of a small file',
      'config.json',
      Buffer.concat([config, config]),
      /config.json: expected 33 bytes, found more/,
    ],
  ])('%s', async (_, name, bytes, message) => {
    hub.instead = ({ method, path: place }, response) => {
      if (method !== 'GET' || (name === 'model.safetensors' && place !== name)) return false;
      sendRest(bytes, { range: undefined }, response);
      return true;
    };
    const found = get(name);
    await expect(found).rejects.toThrow(message);
    await expect(found).rejects.toThrow(InputError);
    expect(await blobs()).toEqual([]);
    expect(existsSync(snapshot())).toBe(false);
  });

  test('fewer bytes, which may go on', async () => {
    hub.instead = ({ isStorage, range }, response) => {
      if (isStorage) sendRest(weights.subarray(0, 900), { range }, response);
      return isStorage;
    };
    await expect(get()).rejects.toThrow(/was cut after 900 of 5000 bytes: it ended early/);
    expect(await blobs()).toEqual([expect.stringContaining('.incomplete-')]);
  });

  test('an earlier one that is too short', async () => {
    const file = (await get())!;
    await truncate(file, 100);
    await unlink(file);
    expect(await readFile((await get())!)).toEqual(weights);
  });

  test('bytes from elsewhere than asked for', async () => {
    let isFirst = true;
    hub.instead = ({ isStorage }, response) => {
      if (!isStorage) return false;
      if (isFirst) sendRest(weights, { range: undefined }, response, 1000);
      else sendRest(weights, { range: 'bytes=500-' }, response);
      isFirst = false;
      return true;
    };
    await expect(get()).rejects.toThrow(/asked for the bytes from 1000 on, the server gave bytes 500-/);
    expect(await blobs()).toEqual([]);
  });

  test.each(['..', '.hidden', 'a/b', ''])('an ETag of %j', async (etag) => {
    hub.instead = (_, response) => {
      response.writeHead(200, { 'X-Repo-Commit': commit, ETag: `"${etag}"`, 'Content-Length': 3 }).end();
      return true;
    };
    await expect(get('config.json')).rejects.toThrow(/came without the size and the ETag that a hub gives/);
    expect(existsSync(snapshot())).toBe(false);
  });
});

describe('a signal', () => {
  test('stops a download, which can go on', async () => {
    const aborter = new AbortController();
    hub.instead = ({ isStorage, range }, response) => {
      if (isStorage && range === undefined) response.writeHead(200).write(weights.subarray(0, 300));
      return isStorage && range === undefined;
    };
    const running = get('model.safetensors', {
      signal: aborter.signal,
      progress_callback({ status }) {
        if (status === 'progress') aborter.abort(new Error('enough'));
      },
    });
    await expect(running).rejects.toThrow('enough');
    await get();
    expect(hub.requests.at(-1)!.range).toBe('bytes=300-');
  });

  test('stops the question for a file, and what was to follow', async () => {
    await get('config.json');
    const aborter = new AbortController();
    hub.instead = () => {
      aborter.abort(new Error('enough'));
      return true;
    };
    const find = await openRepository('some/model', { signal: aborter.signal });
    await expect(find('config.json')).rejects.toThrow('enough');
    await expect(find('model.safetensors')).rejects.toThrow('enough');
    expect(hub.requests.filter(({ path: place }) => place.endsWith('model.safetensors'))).toEqual([]);
  });
});

describe('progress', () => {
  test('is told as transformers.js tells it', async () => {
    const told: DownloadProgress[] = [];
    const find = await openRepository('some/model', { progress_callback: (progress) => told.push(progress) });
    await find('config.json');
    const [name, file] = ['some/model', 'config.json'];
    const whole = { progress: 100, loaded: config.length, total: config.length };
    expect(told).toEqual([
      { status: 'initiate', name, file },
      { status: 'download', name, file },
      {
        status: 'progress_total',
        name,
        ...whole,
        files: { [file]: { loaded: config.length, total: config.length } },
      },
      { status: 'progress', name, file, ...whole },
      { status: 'done', name, file },
    ]);
    told.length = 0;
    await find('config.json');
    expect(told).toEqual([]);
    cutAfter(1000);
    await find('model.safetensors');
    const totals = told.filter(({ status }) => status === 'progress_total');
    expect(totals[0]).toEqual({
      status: 'progress_total',
      name,
      progress: (100 * (config.length + 1000)) / (config.length + 5000),
      loaded: config.length + 1000,
      total: config.length + 5000,
      files: {
        'config.json': { loaded: config.length, total: config.length },
        'model.safetensors': { loaded: 1000, total: 5000 },
      },
    });
    expect(totals.at(-1)).toMatchObject({ progress: 100 });
    expect(told.at(-1)).toEqual({ status: 'done', name, file: 'model.safetensors' });
  });

  test('begins with what an earlier download left', async () => {
    cutAfter(1000, 0, 0, 0, 0, 0, 0);
    await expect(get()).rejects.toThrow(/was cut/);
    const told: DownloadProgress[] = [];
    await get('model.safetensors', { progress_callback: (progress) => told.push(progress) });
    expect(told.find(({ status }) => status === 'progress')).toMatchObject({ loaded: 1000, progress: 20 });
  });

  test('that cannot be told is an error of its own', async () => {
    const progress_callback = ({ status }: DownloadProgress) => {
      if (status === 'progress') throw new Error('no place to show it');
    };
    await expect(get('model.safetensors', { progress_callback })).rejects.toThrow('no place to show it');
    expect(hub.gets()).toHaveLength(2);
  });
});
