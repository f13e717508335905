/** Data sets of a hub, and of files: which splits there are, and what is in them. */
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { InputError } from '../src/errors.js';
import type { Row } from '../src/tasks/data/row.js';
import { openSplits, type HubDatasetOptions, type Splits } from '../src/tasks/data/splits.js';
import { fixture, readJson } from './support/fixture.js';
import { commit, convertedCommit, localHub, refuse } from './support/local-hub.js';
import { temporaryFolder } from './support/workspace.js';

const hub = localHub();
const nested = readFileSync(fixture('task-data/nested.zstd.parquet'));
const nestedRows = readJson(fixture('task-data/nested.expected.json'));

const set = (files: Readonly<Record<string, string | Buffer>>, to = hub.files) => {
  for (const [name, content] of Object.entries(files)) to.set(name, Buffer.from(content));
};
const open = (options: Partial<HubDatasetOptions> = {}) => openSplits({ dataset: 'some/data', ...options });

async function rowsOf(splits: Splits, name: string): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const row of (await splits.open(name)).rows()) rows.push(row);
  return rows;
}

async function problemOf(run: Promise<unknown>): Promise<string> {
  const error: unknown = await run.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InputError);
  return (error as Error).message.replaceAll(hub.endpoint, 'HUB');
}

const filesOf = async (splits: Splits, name: string) =>
  (await splits.open(name)).files.map((file) => path.relative(hub.cache_dir, file));
const inSnapshot = (name: string) => `datasets--some--data/snapshots/${commit}/${name}`;

describe('splits by the names of files', () => {
  test.each([
    [
      ['train.csv', 'dev.csv', 'test.csv', 'other.csv', 'README.md'],
      ['train', 'validation', 'test'],
    ],
    [
      [
        'data/train-00000-of-00002.parquet',
        'data/train-00001-of-00002.parquet',
        'data/val-00000-of-00001-0a1b2c.parquet',
      ],
      ['train', 'validation'],
    ],
    [
      ['validation_matched.jsonl', 'validation_mismatched.jsonl', 'test_matched.jsonl'],
      ['validation_matched', 'validation_mismatched', 'test_matched'],
    ],
    [
      ['train/0.json', 'valid/0.json.gz'],
      ['train', 'validation'],
    ],
    [['folds-x/train-1.tsv', 'folds-x/train-2.tsv'], ['train']],
    [
      ['one/unsupervised/0000.parquet', 'one/train/0000.parquet'],
      ['unsupervised', 'train'],
    ],
  ])('%j', async (names, expected) => {
    for (const name of names) set({ [name]: name });
    expect((await open()).names).toEqual(expected);
  });

  test('several files are read one after another', async () => {
    set({ 'train-b.csv': 'a\n3\n', 'train-a.csv': 'a\n1\n2\n' });
    expect(await rowsOf(await open(), 'train')).toEqual([{ a: '1' }, { a: '2' }, { a: '3' }]);
  });

  test('the same rows in two formats are read once', async () => {
    set({ 'train.csv': 'a\n1\n', 'train.parquet': nested });
    const splits = await open();
    expect(await filesOf(splits, 'train')).toEqual([inSnapshot('train.parquet')]);
    expect(await rowsOf(splits, 'train')).toEqual(nestedRows);
  });

  test('of several configurations one is given', async () => {
    set({ 'en/train.csv': 'a\n1\n', 'de/train.csv': 'a\n2\n' });
    expect(await rowsOf(await open({ config: 'de' }), 'train')).toEqual([{ a: '2' }]);
    expect(await problemOf(open())).toBe(
      'some/data has several configurations, of which one must be given: en, de',
    );
    expect(await problemOf(open({ config: 'fr' }))).toBe(
      'some/data: expected a configuration fr, found en, de',
    );
  });
});

describe('splits by the header of README.md', () => {
  const readme = `---
license: mit
configs:
- config_name: first
  default: true
  data_files:
  - split: train
    path: "parts/tr*-?.csv"
  - split: dev
    path: [deep/**/x.csv]
- config_name: second
  data_files: "parts/[!t]*.csv"
- config_name: third
  data_dir: folder
dataset_info:
- config_name: first
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': negative
          '1': positive
  - name: tags
    sequence:
      class_label:
        names: [O, B]
  splits: []
---
# Text
`;
  const files = {
    'README.md': readme,
    'parts/train-1.csv': 'a\n1\n',
    'parts/train-2.csv': 'a\n2\n',
    'parts/train-10.csv': 'a\n10\n',
    'parts/other.csv': 'a\n0\n',
    'deep/x.csv': 'a\n3\n',
    'deep/er/x.csv': 'a\n4\n',
    'folder/test.csv': 'a\n5\n',
  };

  test('are those of its patterns', async () => {
    set(files);
    const splits = await open();
    expect(splits.names).toEqual(['train', 'validation']);
    expect(await rowsOf(splits, 'train')).toEqual([{ a: '1' }, { a: '2' }]);
    expect(await rowsOf(splits, 'dev')).toEqual([{ a: '4' }, { a: '3' }]);
    expect(await rowsOf(await open({ config: 'second' }), 'train')).toEqual([{ a: '0' }]);
    expect(await rowsOf(await open({ config: 'third' }), 'test')).toEqual([{ a: '5' }]);
    expect((await splits.open('train')).classNames).toEqual({
      label: ['negative', 'positive'],
      tags: ['O', 'B'],
    });
  });

  test.each([
    ['configs: [', /^some\/data: README.md: its header is not YAML: /],
    ['a: &a [x, x]\nb: *a', /its header is not YAML: /],
    ['configs: [7]', /^some\/data: README.md: configs: expected it as the hub documents it, found 7$/],
    [
      'configs: [{config_name: a, data_files: [{split: train, path: [7]}]}]',
      /data_files: expected .*, found \[7\]$/,
    ],
    ['configs: [{config_name: a, data_files: "x-*"}]', /^some\/data: configuration a: no file is x-\*$/],
    ['configs: [{config_name: a, data_files: "../../*"}]', /no file is ..\/..\/\*$/],
    ['configs: [{config_name: a, data_files: "README.md"}]', /^README.md: expected a name that ends in /],
  ])('that cannot be: %s', async (header, message) => {
    set({ ...files, 'README.md': `---\n${header}\n---\n` });
    expect(await problemOf(open())).toMatch(message);
  });

  test('a pattern that others take ages for', async () => {
    set({ ...files, ['a'.repeat(900)]: '' });
    const pattern = `${'a*'.repeat(400)}b`;
    set({ 'README.md': `---\nconfigs: [{config_name: a, data_files: "${pattern}"}]\n---\n` });
    expect(await problemOf(open())).toMatch(/no file is a\*a/);
  });
});

describe('a data set with a program only', () => {
  const program = { 'data.py': 'raise SystemExit', 'README.md': '# Text' };

  test('is what the hub made of it', async () => {
    set(program);
    const features = readFileSync(fixture('task-data/features.parquet'));
    set(
      {
        'default/train/0000.parquet': features,
        'default/train/0001.parquet': features,
        'default/dev/0000.parquet': nested,
      },
      hub.converted,
    );
    const splits = await open();
    expect(splits.names).toEqual(['train', 'validation']);
    const train = await splits.open('train');
    expect(train.files.map((file) => path.relative(hub.cache_dir, file))).toEqual(
      ['0000', '0001'].map(
        (name) => `datasets--some--data/snapshots/${convertedCommit}/default/train/${name}.parquet`,
      ),
    );
    expect(train.classNames).toEqual({ label: ['neg', 'pos'], ner_tags: ['O', 'B-PER', 'I-PER'] });
    expect(await rowsOf(splits, 'train')).toHaveLength(6);
    expect(await rowsOf(splits, 'val')).toEqual(nestedRows);
  });

  test('is not run where the hub did not', async () => {
    set(program);
    expect(await problemOf(open())).toBe(
      'some/data has a program that makes its rows, which is not run, and the hub has not converted it (refs/convert/parquet)',
    );
    expect(await problemOf(open({ revision: commit }))).toMatch(
      /: give the revision refs\/convert\/parquet, /,
    );
  });

  test('or no program either', async () => {
    set({ 'README.md': '# Text', 'x.csv': 'a\n' });
    expect(await problemOf(open())).toMatch(
      /^some\/data has no files of rows whose names say a split, as train.csv/,
    );
  });
});

describe('the cache', () => {
  test('has what was downloaded, with what there is', async () => {
    set({ 'train.csv': 'a\n1\n', 'test.parquet': nested, 'a.md': '', 'b.md': '' });
    const told = vi.fn();
    await rowsOf(await open({ progress_callback: told }), 'test');
    expect(told).toHaveBeenCalledWith(
      expect.objectContaining({ status: 'done', name: 'some/data', file: 'test.parquet' }),
    );
    expect(existsSync(path.join(hub.cache_dir, inSnapshot('test.parquet')))).toBe(true);
    // two pages of names
    expect(hub.gets(`tree/${commit}`)).toHaveLength(2);
    hub.requests.length = 0;
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    const splits = await open();
    expect(splits.names).toEqual(['train', 'test']);
    expect(await rowsOf(splits, 'test')).toEqual(nestedRows);
    expect(await problemOf(splits.open('train'))).toBe('some/data has no train.csv: load it once online');
    expect(hub.requests).toEqual([]);
  });

  test('is used where the hub does not answer', async () => {
    set({ 'README.md': '', 'train.csv': 'a\n1\n', 'test.csv': 'a\n2\n' });
    await rowsOf(await open(), 'train');
    vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:9');
    const splits = await open();
    expect(await rowsOf(splits, 'train')).toEqual([{ a: '1' }]);
    expect(await problemOf(splits.open('test'))).toMatch(
      /cannot be reached .*the cache does not say whether/,
    );
    expect(await problemOf(openSplits({ dataset: 'some/other' }))).toMatch(
      /cannot be reached .*; some\/other is not in the cache/,
    );
  });

  test('has nothing of a file that came wrong', async () => {
    set({ 'train.parquet': nested });
    hub.instead = ({ isStorage }, response) => {
      if (isStorage) response.end(Buffer.alloc(nested.length));
      return isStorage;
    };
    expect(await problemOf((await open()).open('train'))).toMatch(/train.parquet: expected the SHA-256/);
    expect(readdirSync(path.join(hub.cache_dir, 'datasets--some--data', 'blobs'))).toEqual([]);
    hub.instead = () => false;
    expect(await rowsOf(await open(), 'train')).toEqual(nestedRows);
  });
});

describe('what cannot be had', () => {
  test.each([
    [
      401,
      'RepoNotFound',
      /^some\/data: not a public data set on HUB; for a private one give your token as HF_TOKEN$/,
    ],
    [
      403,
      'GatedRepo',
      /^some\/data is only for those who accepted its terms: do so at HUB\/datasets\/some\/data, and give/,
    ],
    [
      404,
      'RevisionNotFound',
      /^some\/data has no revision main: HUB\/datasets\/some\/data\/tree\/main shows/,
    ],
    [503, undefined, /^HUB fails \(503\): try again later; some\/data is not in the cache/],
  ])('%i %s', async (status, code, message) => {
    hub.instead = (_, response) => {
      refuse(response, status, code);
      return true;
    };
    expect(await problemOf(open())).toMatch(message);
    expect(existsSync(hub.cache_dir)).toBe(false);
  });

  test('gated files of which the names are known', async () => {
    set({ 'README.md': '', 'train.csv': 'a\n' });
    hub.instead = ({ path: place }, response) => {
      if (place.endsWith('train.csv')) refuse(response, 403, 'GatedRepo');
      return place.endsWith('train.csv');
    };
    expect(await problemOf((await open()).open('train'))).toMatch(/is only for those who accepted its terms/);
  });

  test.each([
    ['{}', undefined, /tree\/a+\?recursive=true: expected a list of files: is HF_ENDPOINT a hub\?$/],
    ['[', undefined, /expected a list of files/],
    [
      '[]',
      'http://elsewhere.example/next',
      /expected further pages of the list there, found http:\/\/elsewhere/,
    ],
  ])('a list that is none: %s', async (body, link, message) => {
    set({ 'README.md': '' });
    hub.instead = ({ path: place }, response) => {
      if (place.startsWith('api/'))
        response.writeHead(200, link === undefined ? {} : { Link: `<${link}>; rel="next"` }).end(body);
      return place.startsWith('api/');
    };
    expect(await problemOf(open())).toMatch(message);
  });

  test('a list that the hub refuses', async () => {
    set({ 'README.md': '' });
    hub.instead = ({ path: place }, response) => {
      if (place.startsWith('api/')) refuse(response, 429);
      return place.startsWith('api/');
    };
    expect(await problemOf(open())).toMatch(/^HUB was asked too often \(429\): try again later/);
  });

  test('names that lead elsewhere, and a split that is not there', async () => {
    set({ 'README.md': '', '../train.csv': 'a\n', 'test.csv': 'a\n' });
    expect(await problemOf((await open({ config: '..' })).open('train'))).toBe(
      'expected the name of a file in a data set, found "../train.csv"',
    );
    expect(await problemOf((await open({ config: 'default' })).open('dev'))).toBe(
      'some/data: expected a split dev, found test',
    );
    expect(await problemOf(openSplits({ dataset: '../x' }))).toBe(
      '../x: not the name of a data set (owner/name)',
    );
  });
});

describe('files that are given', () => {
  const folder = temporaryFolder();
  const write = (name: string, content: string) => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, name), content);
    return path.join(folder, name);
  };

  test('are the splits', async () => {
    const trainFile = [write('b.csv', 'a\n1\n'), write('a.jsonl', '{"a": 2}')];
    const splits = await openSplits({ trainFile, validationFile: write('v.txt', 'x O\n'), txt: 'conll' });
    expect(splits.names).toEqual(['train', 'validation']);
    expect(await rowsOf(splits, 'train')).toEqual([{ a: '1' }, { a: 2 }]);
    expect(await rowsOf(splits, 'dev')).toEqual([{ tokens: ['x'], tags: ['O'] }]);
    const parquet = await openSplits({ testFile: fixture('task-data/features.parquet') });
    expect((await parquet.open('test')).classNames.label).toEqual(['neg', 'pos']);
    expect(await problemOf(parquet.open('train'))).toBe(
      'the files given: expected a split train, found test',
    );
  });

  test('must be there', async () => {
    expect(await problemOf(openSplits({}))).toBe(
      'expected files of rows, or a data set of the hub, found neither',
    );
    expect(await problemOf(openSplits({ trainFile: path.join(folder, 'no.csv') }))).toMatch(
      /no.csv: cannot be opened/,
    );
    expect(await problemOf(openSplits({ trainFile: folder }))).toMatch(/expected a name that ends in/);
  });
});
