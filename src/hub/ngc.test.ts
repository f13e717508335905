/** Downloads of NVIDIA's archives, from a server here that does what servers do. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { fixture } from '../../test/support/fixture.js';
import { temporaryFolder } from '../../test/support/workspace.js';
import { InputError } from '../errors.js';
import { downloadNgc, type NgcOptions } from './ngc.js';

const archive = readFileSync(fixture('megatron/bert-0-1x1-zip-fp32.zip'));
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const address = '/v2/models/nvidia/megatron_bert_345m/versions/v0.1_uncased/zip';
const name = 'megatron_bert_345m_v0.1_uncased.zip';
const vocab = 'megatron_bert_345m_v0.1_uncased-vocab.txt';

/** What the server has, and how it behaves. */
let served: {
  bytes: Buffer;
  etag?: string;
  status?: number;
  /** Whether it says how long the file is, and continues where it is asked to. */
  tellsLength: boolean;
  continues: boolean;
  /** Bytes after which each of the next connections is cut. */
  cuts: number[];
};
let ranges: (string | undefined)[];

function answer(request: IncomingMessage, response: ServerResponse): void {
  const { pathname } = new URL(request.url!, 'http://server');
  if (pathname.startsWith('/nvidia/megatron-bert-uncased-345m/resolve/')) {
    const headers = { 'X-Repo-Commit': 'b'.repeat(40), ETag: '"words"', 'Content-Length': 12 };
    return void response
      .writeHead(200, headers)
      .end(request.method === 'HEAD' ? undefined : '[PAD]\n[UNK]\n');
  }
  if (pathname !== address || served.status !== undefined)
    return void response.writeHead(served.status ?? 404).end();
  const { bytes, etag, tellsLength, continues, cuts } = served;
  const { range, 'if-range': ifRange } = request.headers;
  ranges.push(range);
  const isContinued = continues && range !== undefined && ifRange === etag;
  const start = isContinued ? Number(/bytes=(\d+)-/.exec(range)![1]) : 0;
  const rest = bytes.subarray(start);
  response.writeHead(isContinued ? 206 : 200, {
    ...(tellsLength && { 'Content-Length': rest.length }),
    ...(isContinued && { 'Content-Range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
    ...(etag !== undefined && { ETag: etag }),
  });
  // the first request of each download asks for its length only
  const cut = ranges.length === 1 ? undefined : cuts.shift();
  if (cut === undefined) return void response.end(rest);
  response.write(rest.subarray(0, cut), () => {
    request.socket.destroy();
  });
}

const server = createServer(answer);
const root = temporaryFolder();
let folder: string;
let count = 0;
let mirror: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  mirror = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
});
beforeEach(() => {
  served = { bytes: archive, etag: '"first"', tellsLength: true, continues: true, cuts: [] };
  ranges = [];
  folder = path.join(root, String(count++));
  vi.stubEnv('HF_ENDPOINT', mirror);
  vi.stubEnv('HF_HUB_CACHE', path.join(folder, 'cache'));
  vi.stubEnv('HF_HUB_OFFLINE', '');
  vi.stubEnv('TRANSFORMERS_OFFLINE', '');
});
afterEach(() => {
  vi.unstubAllEnvs();
});

const get = (options: NgcOptions = {}) => downloadNgc('uncased', folder, { mirror, ...options });
const files = () => readdirSync(folder).filter((file) => file !== 'cache');

test('an archive and its vocabulary, once', async () => {
  const told: number[] = [];
  const found = await get({ onProgress: ({ loaded }) => told.push(loaded) });
  expect(found).toEqual({
    archive: path.join(folder, name),
    bytes: archive.length,
    sha256: sha256(archive),
    vocab: path.join(folder, vocab),
    notes: [],
  });
  expect(readFileSync(found.archive)).toEqual(archive);
  expect(readFileSync(found.vocab!, 'utf8')).toBe('[PAD]\n[UNK]\n');
  expect(told.at(-1)).toBe(archive.length);
  ranges = [];
  expect(await get()).toEqual(found);
  expect(ranges).toEqual([]);
});

test('the server is an option or a variable', async () => {
  vi.stubEnv('NGC_ENDPOINT', `${mirror}/`);
  expect((await downloadNgc('uncased', folder)).bytes).toBe(archive.length);
});

describe('a connection that is cut', () => {
  test('is taken up where it ended', async () => {
    served.cuts = [5000, 100, 1];
    expect((await get()).sha256).toBe(sha256(archive));
    expect(ranges).toEqual([undefined, undefined, 'bytes=5000-', 'bytes=5100-', 'bytes=5101-']);
  });

  test('is begun anew where the server cannot continue', async () => {
    served.cuts = [5000];
    served.continues = false;
    expect((await get()).sha256).toBe(sha256(archive));
  });

  test('is begun anew where the server does not say how long the file is', async () => {
    served.cuts = [5000];
    served.tellsLength = false;
    served.continues = false;
    expect((await get()).sha256).toBe(sha256(archive));
  });

  test('again and again, is given up, and the next process goes on', async () => {
    served.cuts = [5000, ...new Array<number>(6).fill(0)];
    await expect(get()).rejects.toThrow(/the connection was cut after 5000 of \d+ bytes/);
    expect(files()).toEqual([expect.stringContaining('.incomplete-')]);
    ranges = [];
    expect((await get()).sha256).toBe(sha256(archive));
    expect(ranges).toEqual([undefined, 'bytes=5000-']);
    expect(files().sort()).toEqual([vocab, name]);
  });

  test('is not taken up where the server has another file by now', async () => {
    served.cuts = [5000, ...new Array<number>(6).fill(0)];
    await expect(get()).rejects.toThrow(InputError);
    served = {
      ...served,
      bytes: readFileSync(fixture('megatron/bert-3-1x1-zip-fp16.zip')),
      etag: '"second"',
    };
    ranges = [];
    expect((await get()).sha256).toBe(sha256(served.bytes));
    expect(ranges).toEqual([undefined, undefined]);
    expect(files().sort()).toEqual([vocab, name]);
  });
});

test('what two processes that are gone left is used or removed', async () => {
  const version = sha256(Buffer.from(`"first" ${archive.length}`)).slice(0, 16);
  const gone = 2 ** 22 + 1;
  mkdirSync(folder);
  writeFileSync(path.join(folder, `.${name}.${version}.incomplete-${gone}-0`), archive.subarray(0, 4000));
  writeFileSync(path.join(folder, `.${name}.${'0'.repeat(16)}.incomplete-${gone}-1`), 'of another file');
  expect((await get()).sha256).toBe(sha256(archive));
  expect(ranges).toEqual([undefined, 'bytes=4000-']);
  expect(files().sort()).toEqual([vocab, name]);
});

describe('what is no archive is not kept', () => {
  const spoilt = Buffer.from(archive);
  spoilt[3000]! ^= 1;

  test.each<[string, () => void, NgcOptions, RegExp]>([
    ['a byte changed', () => (served.bytes = spoilt), {}, /cannot be inflated|checksum is another/],
    ['an end missing', () => (served.bytes = archive.subarray(0, -30)), {}, /not a zip archive/],
    ['a page', () => (served.bytes = Buffer.from('<html>'.repeat(100))), {}, /not a zip archive/],
    ['another checksum', () => undefined, { sha256: 'c'.repeat(64) }, /expected the SHA-256 ccc/],
    ['no such file', () => (served.status = 404), {}, /the server answered 404/],
    ['a server that fails', () => (served.status = 503), {}, /the server answered 503/],
  ])('%s', async (_, spoil, options, message) => {
    spoil();
    mkdirSync(folder);
    await expect(get(options)).rejects.toThrow(message);
    await expect(get(options)).rejects.toThrow(InputError);
    expect(files()).toEqual([]);
  });
});

test('a server that is not there', async () => {
  await expect(get({ mirror: 'http://127.0.0.1:9' })).rejects.toThrow(/cannot be reached .*--mirror/);
});

test('an archive is had without its vocabulary too, and that is said', async () => {
  vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:9');
  const { vocab: words, notes, bytes } = await get();
  expect([words, bytes]).toEqual([undefined, archive.length]);
  expect(notes).toEqual([expect.stringContaining('without its vocabulary')]);
});

test('a download that is given up stops, and can go on', async () => {
  const aborter = new AbortController();
  served.cuts = [5000];
  const running = get({
    signal: aborter.signal,
    onProgress: () => {
      aborter.abort(new Error('enough'));
    },
  });
  await expect(running).rejects.toThrow('enough');
  expect(files()).toEqual([expect.stringContaining('.incomplete-')]);
  expect((await get()).sha256).toBe(sha256(archive));
});
