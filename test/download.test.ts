/** `megatron-bert download` of models on the hub, as a user meets it. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { fixture } from './support/fixture.js';
import { commit, localHub, refuse, sendRest } from './support/local-hub.js';
import { megatronBert, temporaryFolder } from './support/workspace.js';

const hub = localHub();
const root = temporaryFolder();
const at = (name: string) => path.join(root, name);
const words = [
  '[PAD]',
  '[UNK]',
  '[CLS]',
  '[SEP]',
  '[MASK]',
  ...Array.from({ length: 35 }, (_, i) => `w${i}`),
];
const names = ['config.json', 'vocab.txt', 'model.safetensors'];
beforeEach(() => {
  for (const name of ['config.json', 'model.safetensors'])
    hub.files.set(name, readFileSync(fixture(`models/masked-lm/${name}`)));
  hub.files.set('vocab.txt', Buffer.from(words.join('\n')));
  hub.files.set('README.md', Buffer.from('of no use'));
});

const download = (...args: string[]) => megatronBert('download', ...args);
const snapshot = () => path.join(hub.cache_dir, 'models--some--model', 'snapshots', commit);
const sizes = () => names.map((name) => ({ name, bytes: hub.files.get(name)!.length }));

test('a model, its folder and the sizes of its files; the folder is one to run', async () => {
  const { code, stdout, stderr } = await download('some/model');
  expect([code, stderr]).toEqual([0, '']);
  const [folder, ...lines] = stdout.trimEnd().split('\n');
  expect(folder).toBe(snapshot());
  expect(lines).toEqual([
    expect.stringMatching(/^ {2}config.json {8}\d+ bytes$/),
    expect.stringMatching(/^ {2}vocab.txt {10}\d+ bytes$/),
    expect.stringMatching(/^ {2}model.safetensors {2}[\d.]+ kB$/),
  ]);
  expect(readdirSync(folder!).sort()).toEqual([...names].sort());
  const filled = await megatronBert('run', 'fill-mask', '--model', folder!, 'w1 [MASK]');
  expect([filled.code, filled.stderr]).toEqual([0, '']);
});

test('as JSON, at a revision, and a second time from the cache', async () => {
  const expected = { model: 'some/model', commit, folder: snapshot(), files: sizes() };
  const first = await download('some/model', '--json', '--revision', commit);
  expect(JSON.parse(first.stdout)).toEqual(expected);
  hub.requests.length = 0;
  const second = await download('some/model', '--json', '--revision', commit);
  expect(JSON.parse(second.stdout)).toEqual(expected);
  expect(hub.requests).toEqual([]);
});

test('into a folder too, as the same bytes, again and again', async () => {
  for (let i = 0; i < 2; i++) {
    const { stdout } = await download('some/model', '--json', '--output', at('placed'));
    expect(JSON.parse(stdout)).toEqual({ model: 'some/model', commit, folder: at('placed'), files: sizes() });
    expect(readdirSync(at('placed')).sort()).toEqual([...names].sort());
  }
  for (const name of names) {
    expect(readFileSync(path.join(at('placed'), name))).toEqual(hub.files.get(name));
    expect(statSync(path.join(at('placed'), name)).ino).toBe(statSync(path.join(snapshot(), name)).ino);
  }
});

test('not into a folder with the weights of another model, nor into a file', async () => {
  mkdirSync(at('other'));
  writeFileSync(path.join(at('other'), 'pytorch_model.bin'), '');
  const mixed = await download('some/model', '--output', at('other'));
  expect([mixed.code, mixed.stderr]).toEqual([
    2,
    `megatron-bert: ${at('other')} has pytorch_model.bin, which is not of this model: give another folder\n`,
  ]);
  expect(readdirSync(at('other'))).toEqual(['pytorch_model.bin']);
  writeFileSync(at('file'), '');
  const { code, stderr } = await download('some/model', '--output', at('file'));
  expect([code, stderr]).toEqual([
    2,
    expect.stringMatching(/^megatron-bert: .*file: cannot be written: .*\n$/),
  ]);
});

test('what one process did not get whole, another goes on with', async () => {
  const bytes = hub.files.get('model.safetensors')!;
  hub.instead = ({ isStorage, range }, response) => {
    if (isStorage) sendRest(bytes, { range }, response, range === undefined ? 3000 : 0);
    return isStorage;
  };
  const failed = await download('some/model');
  expect([failed.code, failed.stdout]).toEqual([2, '']);
  expect(failed.stderr).toMatch(
    /^megatron-bert: .*model.safetensors: the connection was cut after 3000 of .*\n$/,
  );
  hub.instead = () => false;
  hub.requests.length = 0;
  expect((await download('some/model')).code).toBe(0);
  expect(hub.requests.at(-1)).toMatchObject({ isStorage: true, range: 'bytes=3000-' });
  expect(readFileSync(path.join(snapshot(), 'model.safetensors'))).toEqual(bytes);
});

describe('one line says what is wrong', () => {
  test.each<[string, string[], RegExp]>([
    [
      'a name without an owner',
      ['bert-base'],
      /expected uncased, cased or the name of a model on the hub \(owner\/name\)/,
    ],
    ['a name that is none', ['../../x'], /neither a folder nor the name of a model/],
    ['a model that is not there', ['none/such'], /none\/such: neither a folder here nor a public model/],
    ['a revision that is not there', ['some/model', '--revision', 'old'], /some\/model has no revision old/],
    ['a revision of another place', ['some/model', '--revision', '../x'], /revision: expected a branch/],
    [
      "NVIDIA's options",
      ['some/model', '--mirror', 'http://127.0.0.1:9'],
      /--mirror is of NVIDIA's catalogue/,
    ],
    ["NVIDIA's checksum", ['some/model', '--sha256', 'a'.repeat(64)], /--sha256 is of NVIDIA's archives/],
    ["the hub's options", ['uncased', '--revision', 'main'], /--revision is of models on the hub/],
  ])('%s', async (_, args, message) => {
    const { code, stdout, stderr } = await download(...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  test('a hub that is asked too often', async () => {
    hub.instead = (_, response) => {
      refuse(response, 429, undefined, { 'Retry-After': '30' });
      return true;
    };
    const { code, stderr } = await download('some/model');
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/^megatron-bert: .* asked too often .* in 30 s; .*\n$/),
    ]);
    expect(existsSync(hub.cache_dir)).toBe(false);
  });
});
