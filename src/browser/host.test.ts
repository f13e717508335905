/** The files of a model over HTTP. Node has `fetch` and `Blob` too; test/browser.test.ts opens pages. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { fixture } from '../../test/support/fixture.js';
import { writeSafetensors } from '../checkpoint/safetensors.js';
import type { DownloadProgress } from '../hub/progress.js';
import { findWeights } from '../pretrained/stored-weights.js';
import { readValues as readValuesInNode } from '../pretrained/weight-values.js';
import { temporaryFolder } from '../../test/support/workspace.js';
import { browserHost } from './host.js';
import { modelAddress } from './model-address.js';

interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

const answers = new Map<string, Answer>();
const asked: string[] = [];
const server = createServer((request, response) => {
  const name = request.url!.replace('/model/', '');
  asked.push(name);
  const { status = 200, headers = {}, body = '' } = answers.get(name) ?? { status: 404 };
  response.writeHead(status, headers);
  // what promises more is cut off
  if (Number(headers['Content-Length'] ?? 0) > body.length) response.write(body, () => response.destroy());
  else response.end(body);
});
let address: string;
beforeAll(async () => {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/model`;
});
afterEach(() => {
  answers.clear();
  asked.length = 0;
  vi.unstubAllGlobals();
});
afterAll(() => server.close());

const saved = fixture('pipelines/models/masked-lm');
const whole = readFileSync(`${saved}/model.safetensors`);
const give = (name: string, body: Uint8Array | string, more: Partial<Answer> = {}) =>
  answers.set(name, { body, ...more });
const open = (options = {}) => {
  give('config.json', '{}');
  return browserHost.open(address, options);
};

test.each([
  ['/model', 'https://a.b/c/page.html', 'https://a.b/model/'],
  ['./model/', 'https://a.b/c/page.html', 'https://a.b/c/model/'],
  ['https://x.y/z?key=1#top', undefined, 'https://x.y/z/'],
  ['owner/name', 'https://a.b/', 'https://huggingface.co/owner/name/resolve/main/'],
  ['./owner/name', 'https://a.b/', 'https://a.b/owner/name/'],
])('%s, in %s, is %s', (model, base, expected) => {
  expect(modelAddress(model, base)).toBe(expected);
});

test.each(['file:///etc', 'javascript:alert(1)', 'data:text/plain,x', 'https://', '/model'])(
  'refuses %s as an address',
  (model) => {
    expect(() => modelAddress(model, undefined)).toThrow(/expected the address of a model's folder/);
  },
);

test('a revision stays in its place', () => {
  expect(modelAddress('a/b', undefined, 'refs/pr/1')).toMatch(/\/resolve\/refs%2Fpr%2F1\/$/);
  expect(() => modelAddress('a/b', undefined, '../..')).toThrow('revision');
});

describe('texts', () => {
  test('are read, and what is not there is undefined', async () => {
    give('vocab.txt', 'é');
    const source = await open();
    const found = await source.readText('vocab.txt', 2);
    expect(found).toEqual({ text: 'é', file: `${address}/vocab.txt` });
    expect(await source.readText('absent', 2)).toBeUndefined();
  });

  test('a page in the place of a file is none', async () => {
    give('vocab.txt', '<!doctype html>', { headers: { 'Content-Type': 'text/html; charset=utf-8' } });
    expect(await (await open()).readText('vocab.txt', 99)).toBeUndefined();
  });

  test('may not be too long, said or not', async () => {
    give('long', 'xxx');
    give('said', 'xxx', { headers: { 'Content-Length': '3' } });
    for (const name of ['long', 'said'])
      await expect((await open()).readText(name, 2)).rejects.toThrow(
        `${address}/${name}: expected at most 2 bytes, found 3`,
      );
  });

  test('say what else was answered', async () => {
    answers.set('vocab.txt', { status: 503 });
    await expect((await open()).readText('vocab.txt', 9)).rejects.toThrow(
      `${address}/vocab.txt: expected a file, found the answer 503 Service Unavailable`,
    );
    give('vocab.txt', 'abc', { headers: { 'Content-Length': '9' } });
    await expect((await open()).readText('vocab.txt', 9)).rejects.toThrow(
      /vocab.txt: expected 9 bytes, could read [03]: /,
    );
    await expect(browserHost.open('http://127.0.0.1:1/', {})).rejects.toThrow(
      /^http:\/\/127.0.0.1:1\/config.json cannot be fetched: .*CORS/,
    );
  });
});

test('a folder without config.json is no model, and nothing else is asked for', async () => {
  await expect(browserHost.open(address, {})).rejects.toThrow(
    `not a model folder: there is no ${address}/config.json`,
  );
  expect(asked).toEqual(['config.json']);
});

test('a page has no tokens, 8-bit weights or folders', async () => {
  await expect(browserHost.open(address, { token: 'hf_x' })).rejects.toThrow(/^token: expected none/);
  await expect(browserHost.open(address, { dtype: 'int8' })).rejects.toThrow(/^dtype: expected 'fp32'/);
  await expect(browserHost.quantize(new Map(), new Map(), () => undefined)).rejects.toThrow('int8');
  await expect(browserHost.save({} as never, '/x')).rejects.toThrow('save_pretrained');
});

describe('weights', () => {
  const folder = temporaryFolder();
  const halves = new Uint16Array([0x3c00, 0xc000, 0x7bff]);
  const entries = [
    { name: 'a', dtype: 'F16', shape: [3], data: halves },
    { name: 'b', dtype: 'BF16', shape: [3], data: halves },
    { name: 'c', dtype: 'I64', shape: [1], data: new BigInt64Array(1) },
  ] as const;

  test('have the places and values that Node finds', async () => {
    await writeSafetensors(`${folder}/model.safetensors`, entries);
    for (const file of [`${saved}/model.safetensors`, `${folder}/model.safetensors`]) {
      give('model.safetensors', readFileSync(file));
      const found = await (await open()).findWeights();
      const find = async (name: string) => (name === 'model.safetensors' ? file : undefined);
      const expected = await findWeights(find, '');
      expect([...found.keys()]).toEqual([...expected.keys()]);
      for (const [name, { weight, shape, dtype, path }] of found) {
        const inNode = expected.get(name)!;
        expect({ shape, dtype, path }).toEqual({ ...pick(inNode), path: `${address}/model.safetensors` });
        if (!inNode.weight) expect(weight).toBeUndefined();
        else expect(await browserHost.readValues(weight!)).toEqual(await readValuesInNode(inNode.weight));
      }
    }
  });

  test('in several files', async () => {
    await writeSafetensors(`${folder}/one`, [entries[0]]);
    await writeSafetensors(`${folder}/two`, [entries[1], { ...entries[2], name: 'other' }]);
    give('one', readFileSync(`${folder}/one`));
    give('two', readFileSync(`${folder}/two`));
    const index = (weight_map: object) =>
      give('model.safetensors.index.json', JSON.stringify({ weight_map }));
    const find = async () => (await open()).findWeights();
    index({ a: 'one', b: 'two' });
    expect([...(await find()).keys()]).toEqual(['a', 'b']);
    index({ a: 'one', b: 'three' });
    await expect(find()).rejects.toThrow('model.safetensors.index.json names three, which is missing');
    index({ a: 'two' });
    await expect(find()).rejects.toThrow('a is not in two');
    for (const name of ['../one', '..', 'https://x.y/z', '']) {
      index({ a: name });
      await expect(find()).rejects.toThrow(/a: expected the name of a file/);
    }
  });

  test('that are no such file are refused', async () => {
    const header = Buffer.alloc(8);
    header.writeBigUInt64LE(2n ** 40n);
    for (const [body, problem] of [
      [whole.subarray(0, -1), /incomplete\?$/],
      [whole.subarray(0, 5), /shorter than 8 bytes/],
      [Buffer.concat([whole, Buffer.alloc(1)]), /1 bytes after the last tensor/],
      [header, /a header of 1099511627776 bytes was announced/],
    ] as const) {
      give('model.safetensors', body);
      await expect((await open()).findWeights()).rejects.toThrow(problem);
    }
  });

  test('that a page does not read are named', async () => {
    await expect((await open()).findWeights()).rejects.toThrow(/pytorch_model.bin: convert/);
  });

  const giveVersion = (ETag: string) =>
    give('model.safetensors', whole, { headers: { ETag, 'Content-Length': String(whole.length) } });
  /** What is told of the file while a model is loaded. */
  const load = async () => {
    const events: DownloadProgress[] = [];
    const source = await open({ progress_callback: (event: DownloadProgress) => events.push(event) });
    expect((await source.findWeights()).size).toBeGreaterThan(10);
    return events.filter((event) => event.status !== 'progress_total' && event.file === 'model.safetensors');
  };

  test('are told of while they come', async () => {
    giveVersion('"1"');
    const events = await load();
    expect(events.slice(0, 2).map(({ status }) => status)).toEqual(['initiate', 'download']);
    expect(events.at(-2)).toMatchObject({ status: 'progress', progress: 100, total: whole.length });
    expect(events.at(-1)).toMatchObject({ status: 'done' });
  });

  test('are kept until there are others', async () => {
    const kept = new Map<string, Response>();
    const cache = {
      match: async (url: string) => kept.get(url)?.clone(),
      put: async (url: string, response: Response) => void kept.set(url, response),
      delete: async (url: string) => kept.delete(url),
    };
    vi.stubGlobal('caches', { open: async () => cache });
    const file = `${address}/model.safetensors`;
    const isKept = (count = 2) =>
      vi.waitFor(() => {
        expect(kept.size).toBe(count);
      });

    giveVersion('"1"');
    expect(await load()).not.toEqual([]);
    await isKept();
    expect(await load()).toEqual([]);
    giveVersion('"2"');
    expect(await load()).not.toEqual([]);
    await isKept();
    expect(await load()).toEqual([]);
    // a browser may throw away what it keeps
    kept.delete(`${file}?part=0`);
    expect(await load()).not.toEqual([]);
    await isKept();
    // there is no room for the next
    cache.put = async (url, response) => {
      if (url === file) throw new Error('quota');
      kept.set(url, response);
    };
    giveVersion('"3"');
    expect(await load()).not.toEqual([]);
    await isKept(0);
    vi.stubGlobal('caches', { open: () => Promise.reject(new Error('not for this page')) });
    expect(await load()).not.toEqual([]);
  });
});

const pick = ({ shape, dtype }: { shape: readonly number[]; dtype: string }) => ({ shape, dtype });
