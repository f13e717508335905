import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, readlink, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { fixture } from '../../test/support/fixture.js';
import { temporaryFolder } from '../../test/support/workspace.js';
import { InputError } from '../errors.js';
import { MegatronBertModel } from '../pretrained/classes.js';
import type { DownloadProgress } from './download.js';
import { openRepository } from './repository.js';

const commit = 'a'.repeat(40);
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** A hub with one model, whose weights lie on another server, as they do. */
const files = new Map<string, Buffer>();
let requests: { readonly path: string; readonly method: string; readonly token: string | undefined }[];
/** Bytes after which the other server cuts the next connection. */
let cut: number | undefined;
/** What the other server has instead of the file. */
let spoilt: Buffer | undefined;

function hub(request: IncomingMessage, response: ServerResponse): void {
  const { pathname } = new URL(request.url!, 'http://hub');
  requests.push({ path: pathname, method: request.method!, token: request.headers.authorization });
  const [, owner, model, , revision, ...rest] = pathname.split('/');
  const name = rest.join('/');
  const fail = (status: number, code: string) =>
    response.writeHead(status, { 'X-Error-Code': code, 'X-Repo-Commit': commit }).end();
  if (owner === 'gated') return void fail(403, 'GatedRepo');
  if (`${owner}/${model}` !== 'some/model') return void fail(401, 'RepoNotFound');
  if (revision !== 'main' && revision !== commit) return void fail(404, 'RevisionNotFound');
  const bytes = files.get(name);
  if (!bytes) return void fail(404, 'EntryNotFound');
  const etag = sha256(bytes);
  if (name.endsWith('.safetensors'))
    response.writeHead(302, {
      Location: `${address(elsewhere)}/${name}`,
      'X-Repo-Commit': commit,
      'X-Linked-Etag': `"${etag}"`,
      'X-Linked-Size': bytes.length,
    });
  else
    response.writeHead(200, {
      ETag: `"${etag}"`,
      'X-Repo-Commit': commit,
      'Content-Length': bytes.length,
    });
  response.end(request.method === 'HEAD' || name.endsWith('.safetensors') ? undefined : bytes);
}

function store(request: IncomingMessage, response: ServerResponse): void {
  requests.push({ path: request.url!, method: request.method!, token: request.headers.authorization });
  const bytes = spoilt ?? files.get(request.url!.slice(1))!;
  const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const rest = bytes.subarray(start);
  response.writeHead(start > 0 ? 206 : 200, { 'Content-Length': rest.length });
  if (cut === undefined) return void response.end(rest);
  const part = rest.subarray(0, cut);
  cut = undefined;
  response.write(part, () => {
    request.socket.destroy();
  });
}

const main = createServer(hub);
const elsewhere = createServer(store);
const address = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const listen = (server: Server) =>
  new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
const root = temporaryFolder();
let cache_dir: string;
let count = 0;

beforeAll(async () => {
  await Promise.all([main, elsewhere].map(listen));
  for (const name of ['config.json', 'model.safetensors'])
    files.set(name, await readFile(fixture(`models/model/${name}`)));
});
afterAll(() => {
  for (const server of [main, elsewhere]) server.close();
});
beforeEach(() => {
  requests = [];
  cut = undefined;
  spoilt = undefined;
  cache_dir = path.join(root, String(count++));
  vi.stubEnv('HF_ENDPOINT', address(main));
  vi.stubEnv('HF_TOKEN', 'secret');
  vi.stubEnv('HF_HUB_OFFLINE', '');
  vi.stubEnv('TRANSFORMERS_OFFLINE', '');
});
afterEach(() => {
  vi.unstubAllEnvs();
});

test('a model is loaded by its name, and then without the hub', async () => {
  const model = await MegatronBertModel.from_pretrained('some/model', { cache_dir });
  const outputs = await model.forward({ input_ids: [[5, 6]] });
  const again = await MegatronBertModel.from_pretrained('some/model', { cache_dir, local_files_only: true });
  expect(await again.forward({ input_ids: [[5, 6]] })).toEqual(outputs);
  vi.stubEnv('HF_HUB_OFFLINE', '1');
  requests = [];
  await MegatronBertModel.from_pretrained('some/model', { cache_dir });
  expect(requests).toEqual([]);
});

test("the cache is laid out as Hugging Face's libraries lay it out", async () => {
  const find = await openRepository('some/model', { cache_dir });
  const file = await find('config.json');
  const folder = path.join(cache_dir, 'models--some--model');
  expect(file).toBe(path.join(folder, 'snapshots', commit, 'config.json'));
  const blob = sha256(files.get('config.json')!);
  expect(await readlink(file!)).toBe(path.join('..', '..', 'blobs', blob));
  expect(await readdir(path.join(folder, 'blobs'))).toEqual([blob]);
  expect(await readFile(path.join(folder, 'refs', 'main'), 'utf8')).toBe(commit);
  expect(await find('nothing.json')).toBeUndefined();
  expect(await readdir(path.join(folder, '.no_exist', commit))).toEqual(['nothing.json']);
});

test('a file is downloaded once, and its absence asked for once', async () => {
  const find = await openRepository('some/model', { cache_dir, revision: commit });
  for (let i = 0; i < 3; i++) {
    await find('config.json');
    await find('nothing.json');
  }
  expect(requests.map(({ method }) => method)).toEqual(['HEAD', 'GET', 'HEAD']);
});

test('the token goes to the hub and nowhere else', async () => {
  await (
    await openRepository('some/model', { cache_dir })
  )('model.safetensors');
  const stored = requests.filter((request) => request.path === '/model.safetensors');
  expect(stored.map(({ token }) => token)).toEqual([undefined]);
  expect(requests.filter((request) => !stored.includes(request)).map(({ token }) => token)).toEqual([
    'Bearer secret',
    'Bearer secret',
  ]);
});

test('a download goes on where its connection was cut', async () => {
  cut = 1000;
  const told: DownloadProgress[] = [];
  const find = await openRepository('some/model', {
    cache_dir,
    progress_callback: (progress) => told.push(progress),
  });
  const file = await find('model.safetensors');
  expect(await readFile(file!)).toEqual(files.get('model.safetensors'));
  expect(requests.filter(({ path: place }) => place === '/model.safetensors')).toHaveLength(2);
  expect(told[0]).toEqual({ status: 'initiate', name: 'some/model', file: 'model.safetensors' });
  expect(told.at(-2)).toMatchObject({ status: 'progress', progress: 100 });
  expect(told.at(-1)!.status).toBe('done');
});

test('two downloads of one file at once both give it', async () => {
  const find = () =>
    openRepository('some/model', { cache_dir }).then((repository) => repository('model.safetensors'));
  for (const file of await Promise.all([find(), find(), find()]))
    expect(await readFile(file!)).toEqual(files.get('model.safetensors'));
  expect(await readdir(path.join(cache_dir, 'models--some--model', 'blobs'))).toHaveLength(1);
});

describe('what cannot be had', () => {
  test.each([
    [
      'other bytes',
      () => Buffer.from(files.get('model.safetensors')!).fill(7, 100, 101),
      'expected the SHA-256',
    ],
    ['more bytes', () => Buffer.concat([files.get('model.safetensors')!, Buffer.from('x')]), 'found more'],
    ['fewer bytes', () => files.get('model.safetensors')!.subarray(0, 900), 'was cut after 900 of'],
  ])('%s than were announced', async (_, bytes, message) => {
    spoilt = bytes();
    const find = await openRepository('some/model', { cache_dir });
    const found = find('model.safetensors');
    await expect(found).rejects.toThrow(message);
    await expect(found).rejects.toThrow(InputError);
    // what was cut can go on later
    const left = await readdir(path.join(cache_dir, 'models--some--model', 'blobs'));
    expect(left).toHaveLength(message.startsWith('was cut') ? 1 : 0);
  });

  test.each([
    ['none/such', {}, 'neither a folder here nor a public model'],
    ['gated/model', {}, 'only for those who accepted its terms'],
    ['some/model', { revision: 'old' }, 'some/model has no revision old'],
  ])('%s %j', async (id, options, message) => {
    const find = await openRepository(id, { cache_dir, ...options });
    await expect(find('config.json')).rejects.toThrow(message);
  });

  test.each(['a/b/c', '../x', 'a b', ''])('the name %j', async (id) => {
    await expect(openRepository(id, { cache_dir })).rejects.toThrow(InputError);
  });

  test.each(['../x', '/etc/passwd', 'a/../../x'])('a file of the name %j', async (name) => {
    const find = await openRepository('some/model', { cache_dir });
    await expect(find(name)).rejects.toThrow('expected the name of a file in a model');
  });

  test('offline, what is not in the cache', async () => {
    await expect(openRepository('some/model', { cache_dir, local_files_only: true })).rejects.toThrow(
      /some\/model is not in the cache .* Load it once online/,
    );
  });

  test('without a connection the cache is used, and else it is said', async () => {
    await (
      await openRepository('some/model', { cache_dir })
    )('config.json');
    vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:9');
    const find = await openRepository('some/model', { cache_dir });
    expect(await readFile((await find('config.json'))!)).toEqual(files.get('config.json'));
    const other = await openRepository('some/other', { cache_dir });
    await expect(other('config.json')).rejects.toThrow(/127.0.0.1:9 cannot be reached/);
  });
});

test("what Python's library cached is found", async () => {
  const folder = path.join(cache_dir, 'models--some--model');
  await mkdir(path.join(folder, 'refs'), { recursive: true });
  await mkdir(path.join(folder, 'snapshots', commit), { recursive: true });
  await writeFile(path.join(folder, 'refs', 'main'), commit);
  await writeFile(path.join(folder, 'snapshots', commit, 'config.json'), '{}');
  const find = await openRepository('some/model', { cache_dir, local_files_only: true });
  expect(await find('config.json')).toBe(path.join(folder, 'snapshots', commit, 'config.json'));
  expect(await find('model.safetensors')).toBeUndefined();
});
