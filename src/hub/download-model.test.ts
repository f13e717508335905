import { readFile, readdir } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import path from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { commit, localHub } from '../../test/support/local-hub.js';
import { InputError } from '../errors.js';
import { downloadModel } from './download-model.js';

const hub = localHub();
const set = (...names: string[]) => {
  for (const name of names) hub.files.set(name, Buffer.from(`of ${name}`));
};
const index = (...shards: string[]) =>
  Buffer.from(
    JSON.stringify({ weight_map: Object.fromEntries(shards.map((shard, i) => [`weight.${i}`, shard])) }),
  );
beforeEach(() => {
  set(
    'config.json',
    'vocab.txt',
    'README.md',
    'onnx/model.onnx',
    'tf_model.h5',
    'flax_model.msgpack',
    'training_args.bin',
  );
});

const get = () => downloadModel('some/model');

test("a model's folder in the cache, with what it takes to use it and nothing else", async () => {
  set(
    'model.safetensors',
    'pytorch_model.bin',
    'generation_config.json',
    'tokenizer.json',
    'tokenizer_config.json',
  );
  const folder = await get();
  expect(folder).toBe(path.join(hub.cache_dir, 'models--some--model', 'snapshots', commit));
  expect((await readdir(folder)).sort()).toEqual([
    'config.json',
    'generation_config.json',
    'model.safetensors',
    'tokenizer.json',
    'tokenizer_config.json',
    'vocab.txt',
  ]);
  expect(await readFile(path.join(folder, 'model.safetensors'), 'utf8')).toBe('of model.safetensors');
});

test.each([
  [['tokenizer.json'], ['tokenizer.json']],
  [[], ['merges.txt', 'vocab.json']],
])("of GPT-2's tokenizer, beside %j", async (whole, expected) => {
  hub.files.delete('vocab.txt');
  set('model.safetensors', 'vocab.json', 'merges.txt', ...whole);
  expect((await readdir(await get())).sort()).toEqual(
    ['config.json', 'model.safetensors', ...expected].sort(),
  );
});

describe('the weights', () => {
  const parts = [1, 2, 3].map((i) => `model-0000${i}-of-00003.safetensors`);
  const torchParts = [1, 2].map((i) => `pytorch_model-0000${i}-of-00002.bin`);

  test('are those of the index before those of PyTorch', async () => {
    set(...parts, 'pytorch_model.bin');
    hub.files.set('model.safetensors.index.json', index(...parts, parts[0]!));
    expect((await readdir(await get())).sort()).toEqual(
      ['config.json', 'vocab.txt', 'model.safetensors.index.json', ...parts].sort(),
    );
  });

  test("are PyTorch's where there are no others", async () => {
    set('pytorch_model.bin');
    expect((await readdir(await get())).sort()).toEqual(['config.json', 'pytorch_model.bin', 'vocab.txt']);
  });

  test("may be PyTorch's in parts", async () => {
    set(...torchParts);
    hub.files.set('pytorch_model.bin.index.json', index(...torchParts));
    expect((await readdir(await get())).sort()).toEqual(
      ['config.json', 'vocab.txt', 'pytorch_model.bin.index.json', ...torchParts].sort(),
    );
  });

  test('must be there', async () => {
    await expect(get()).rejects.toThrow(
      'some/model has no weights: expected model.safetensors or pytorch_model.bin',
    );
  });

  test('must be whole', async () => {
    set(parts[0]!);
    hub.files.set('model.safetensors.index.json', index(parts[0]!, parts[1]!));
    await expect(get()).rejects.toThrow(
      `some/model: model.safetensors.index.json names ${parts[1]}, which it has not`,
    );
  });

  test.each(['../../../x.safetensors', '/etc/passwd', '..\\x', 'C:x', '%2e%2e'])(
    'cannot be %j',
    async (shard) => {
      hub.files.set('model.safetensors.index.json', index(shard));
      const failed = get();
      await expect(failed).rejects.toThrow(InputError);
      await expect(failed).rejects.toThrow(/expected the name of a file/);
    },
  );

  test('in parts end together where one cannot be had', async () => {
    set(...parts);
    hub.files.set('model.safetensors.index.json', index(...parts));
    hub.instead = ({ isStorage, path: place }, response) => {
      if (!isStorage) return false;
      if (place === parts[1]) response.end('spoilt...'.padEnd(hub.files.get(place)!.length));
      // the others never get an answer
      return true;
    };
    await expect(get()).rejects.toThrow(`${parts[1]}: expected the SHA-256`);
    const left = await readdir(path.join(hub.cache_dir, 'models--some--model', 'blobs'));
    expect(left.filter((name) => name.includes('incomplete')).length).toBeLessThanOrEqual(2);
  });
});

test('when it fails, nothing is under way any more', async () => {
  const held: ServerResponse[] = [];
  const answerLater = async () => {
    while (held.length === 0) await fetch(hub.endpoint);
    // the refusal of the weights would have come before what is asked for now
    for (let i = 0; i < 5; i++) await fetch(hub.endpoint);
    held[0]!.end(hub.files.get('vocab.txt'));
  };
  hub.instead = ({ method, path: place }, response) => {
    if (place.endsWith('pytorch_model.bin.index.json')) void answerLater();
    if (method !== 'GET' || !place.endsWith('vocab.txt')) return false;
    held.push(response);
    return true;
  };
  await expect(get()).rejects.toThrow('has no weights');
  const folder = path.join(hub.cache_dir, 'models--some--model', 'snapshots', commit);
  expect(await readdir(folder)).toContain('vocab.txt');
});

test('once it is there, it is had without the hub', async () => {
  set('model.safetensors');
  const folder = await get();
  hub.requests.length = 0;
  expect(await downloadModel('some/model', { local_files_only: true })).toBe(folder);
  expect(hub.requests).toEqual([]);
  await get();
  expect(hub.requests.map(({ method }) => method)).toEqual(['HEAD']);
});

test('what is no model of transformers', async () => {
  hub.files.delete('config.json');
  await expect(get()).rejects.toThrow('some/model has no config.json');
});
