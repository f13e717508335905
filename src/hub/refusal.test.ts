/** What a user reads where a hub refuses: one line, with what to do. */
import { readFile } from 'node:fs/promises';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { localHub, refuse } from '../../test/support/local-hub.js';
import { InputError } from '../errors.js';
import { openRepository, type HubOptions } from './repository.js';

const hub = localHub();
beforeEach(() => {
  hub.files.set('config.json', Buffer.from('{}'));
});

const get = async (options: HubOptions = {}) => (await openRepository('some/model', options))('config.json');

async function lineOf(run: Promise<unknown>): Promise<string> {
  const error: unknown = await run.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InputError);
  const { message } = error as Error;
  expect(message).not.toMatch(/\n|secret/);
  return message.replaceAll(hub.endpoint, 'HUB');
}

interface Answer {
  readonly status: number;
  readonly code?: string;
  readonly headers?: Readonly<Record<string, string>>;
}
const answerWith = ({ status, code, headers }: Answer) => {
  hub.instead = (_, response) => {
    refuse(response, status, code, headers);
    return true;
  };
};

const date = 'Wed, 21 Oct 2065 07:28:00 GMT';
const answers: [Answer, without: string, withToken: string][] = [
  [
    { status: 401, code: 'RepoNotFound' },
    'some/model: neither a folder here nor a public model on HUB; for a private one give your token as HF_TOKEN',
    'some/model: HUB refuses the token of HF_TOKEN: it is wrong or expired, or has no access',
  ],
  [
    { status: 401, code: 'GatedRepo' },
    'some/model is only for those who accepted its terms: do so at HUB/some/model, and give your token as HF_TOKEN',
    'some/model is only for those who accepted its terms: do so at HUB/some/model, with the account that the token of HF_TOKEN is of',
  ],
  [
    { status: 403, code: 'GatedRepo' },
    'some/model is only for those who accepted its terms: do so at HUB/some/model, and give your token as HF_TOKEN',
    'some/model is only for those who accepted its terms: do so at HUB/some/model, with the account that the token of HF_TOKEN is of',
  ],
  [
    { status: 403 },
    'some/model: HUB forbids it without a token (403): see HUB/some/model for who has access',
    'some/model: HUB forbids it to the token of HF_TOKEN (403): see HUB/some/model for who has access',
  ],
  [
    { status: 404, code: 'RepoNotFound' },
    'some/model: neither a folder here nor a public model on HUB; for a private one give your token as HF_TOKEN',
    'some/model: neither a folder here nor a model on HUB that the token of HF_TOKEN has access to',
  ],
  [
    { status: 404, code: 'RevisionNotFound' },
    'some/model has no revision main: HUB/some/model/tree/main shows those that it has',
    'some/model has no revision main: HUB/some/model/tree/main shows those that it has',
  ],
  [
    { status: 429 },
    'HUB was asked too often (429): try again later; with a token (HF_TOKEN) the hub lets one ask more often',
    'HUB was asked too often (429): try again later',
  ],
  [
    { status: 429, headers: { 'Retry-After': '17' } },
    'HUB was asked too often (429): try again in 17 s; with a token (HF_TOKEN) the hub lets one ask more often',
    'HUB was asked too often (429): try again in 17 s',
  ],
  [
    { status: 429, headers: { 'Retry-After': date } },
    `HUB was asked too often (429): try again after ${date}; with a token (HF_TOKEN) the hub lets one ask more often`,
    `HUB was asked too often (429): try again after ${date}`,
  ],
  [
    { status: 503, headers: { 'Retry-After': '5' } },
    'HUB fails (503): try again in 5 s',
    'HUB fails (503): try again in 5 s',
  ],
  [
    { status: 500, headers: { 'Retry-After': 'soon' } },
    'HUB fails (500): try again later',
    'HUB fails (500): try again later',
  ],
  [{ status: 418 }, 'some/model: config.json: HUB answered 418', 'some/model: config.json: HUB answered 418'],
];

describe('asked about a file, a hub that answers', () => {
  test.each(answers)('%j', async (answer, without, withToken) => {
    answerWith(answer);
    const isNow = answer.status === 429 || answer.status >= 500;
    const more = isNow
      ? `; some/model is not in the cache (${hub.cache_dir}/models--some--model), revision main`
      : '';
    expect(await lineOf(get())).toBe(without + more);
    vi.stubEnv('HF_TOKEN', 'secret');
    expect(await lineOf(get())).toBe(withToken + more);
  });

  test('401, says where else the token is from', async () => {
    answerWith({ status: 401 });
    expect(await lineOf(get({ token: 'secret' }))).toContain('refuses the token of the option token');
  });
});

test.each([
  [{ status: 403 }, 'some/model: config.json: STORAGE, where HUB keeps it, answered 403'],
  [{ status: 429, headers: { 'Retry-After': '3' } }, 'STORAGE was asked too often (429): try again in 3 s'],
])('where the bytes are, %j', async (answer, expected) => {
  vi.stubEnv('HF_TOKEN', 'secret');
  hub.files.set('model.safetensors', Buffer.from('weights'));
  hub.instead = ({ isStorage }, response) => {
    if (isStorage) refuse(response, answer.status, undefined, 'headers' in answer ? answer.headers : {});
    return isStorage;
  };
  const line = await lineOf((await openRepository('some/model'))('model.safetensors'));
  expect(line.replace(/http:\/\/127.0.0.1:\d+/, 'STORAGE')).toBe(
    expected.replace('config.json', 'model.safetensors'),
  );
});

test.each([
  [
    'a page',
    { 'Content-Type': 'text/html', 'Content-Length': '2' },
    200,
    /^HUB\/some\/model\/resolve\/main\/config.json came without the commit .* is HF_ENDPOINT a hub\?$/,
  ],
  ['a redirection to itself', { Location: '/' }, 302, /came without the commit/],
  [
    'a redirection without a size',
    { Location: 'http://127.0.0.1:9/', 'X-Repo-Commit': 'a'.repeat(40), ETag: '"e"', 'Content-Length': '5' },
    302,
    /came without the size and the ETag/,
  ],
])('a server that is no hub: %s', async (_, headers, status, message) => {
  hub.instead = (__, response) => {
    response.writeHead(status, headers as Record<string, string>).end();
    return true;
  };
  expect(await lineOf(get())).toMatch(message);
});

test('a hub that answers for another commit than it was asked for', async () => {
  hub.instead = ({ path: place }) => {
    hub.commit = place.includes('/main/') ? 'a'.repeat(40) : 'b'.repeat(40);
    return false;
  };
  hub.files.set('vocab.txt', Buffer.from('words'));
  const find = await openRepository('some/model');
  await find('config.json');
  hub.instead = (_, response) => {
    response.writeHead(200, { 'X-Repo-Commit': 'b'.repeat(40), ETag: '"e"', 'Content-Length': 5 }).end();
    return true;
  };
  expect(await lineOf(find('vocab.txt'))).toMatch(/vocab.txt: expected it of commit aaa.*, found bbb/);
});

describe('variables that cannot be', () => {
  test.each([
    [
      'HF_ENDPOINT',
      'huggingface.co',
      'HF_ENDPOINT: expected an address as https://huggingface.co, found "huggingface.co"',
    ],
    [
      'HF_ENDPOINT',
      'file:///etc',
      'HF_ENDPOINT: expected an address as https://huggingface.co, found "file:///etc"',
    ],
    [
      'HF_ENDPOINT',
      'http://user:secret@127.0.0.1',
      'HF_ENDPOINT: expected an address without a user and a password',
    ],
    ['HF_TOKEN', 'secret\nsecret', 'the token of HF_TOKEN: expected letters and digits on one line'],
    ['HF_HUB_ETAG_TIMEOUT', 'soon', 'HF_HUB_ETAG_TIMEOUT: expected a number of seconds, found "soon"'],
    ['HF_HUB_DOWNLOAD_TIMEOUT', '-1', 'HF_HUB_DOWNLOAD_TIMEOUT: expected a number of seconds, found "-1"'],
  ])('%s=%j', async (name, value, message) => {
    vi.stubEnv(name, value);
    expect(await lineOf(get())).toBe(message);
  });

  test('a time limit of 0 is the usual one', async () => {
    vi.stubEnv('HF_HUB_ETAG_TIMEOUT', '0');
    expect(await readFile((await get())!, 'utf8')).toBe('{}');
  });
});
