/** A hub with a model and a data set in memory, whose large files lie on another server, as they do. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, vi } from 'vitest';
import { temporaryFolder } from './workspace.js';

export const commit = 'a'.repeat(40);
/** Of the branch of a data set that the hub makes itself. */
export const convertedCommit = 'c'.repeat(40);

export interface HubRequest {
  readonly method: string;
  /** Of the hub: `some/model/resolve/main/config.json`, or the name of a file elsewhere. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** What leads to it. */
  readonly before: string;
  readonly isStorage: boolean;
  readonly token: string | undefined;
  readonly range: string | undefined;
}

export interface LocalHub {
  /** Where the hub is. */
  endpoint: string;
  /** Where it keeps large files. */
  storage: string;
  /** An empty folder for each test. */
  cache_dir: string;
  /** What `some/model` has, at the commit that `main` is; the data set `some/data` too. */
  readonly files: Map<string, Buffer>;
  /** What `some/data` has in the branch `refs/convert/parquet`, which is not there without files. */
  readonly converted: Map<string, Buffer>;
  commit: string;
  readonly requests: HubRequest[];
  /** Answers in the hub's place where it returns true. */
  instead: (request: HubRequest, response: ServerResponse) => boolean;
  /** Requests for the bytes of files. */
  gets: (name?: string) => HubRequest[];
}

export const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
export const gitBlob = (bytes: Uint8Array) =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

const isLarge = (name: string) => /\.(safetensors|bin|parquet)$/.test(name);

/** Serves for the tests of a file, who find it in `HF_ENDPOINT`. */
export function localHub(): LocalHub {
  const root = temporaryFolder();
  let count = 0;
  const state: LocalHub = {
    endpoint: '',
    storage: '',
    cache_dir: '',
    files: new Map(),
    converted: new Map(),
    commit,
    requests: [],
    instead: () => false,
    gets: (name) =>
      state.requests.filter((request) => request.method === 'GET' && request.path.endsWith(name ?? '')),
  };
  const main = createServer((request, response) => {
    const told = tell(state, request, false);
    if (!state.instead(told, response)) answer(state, told, response);
  });
  const storage = createServer((request, response) => {
    const told = tell(state, request, true);
    if (!state.instead(told, response))
      sendRest((state.files.get(told.path) ?? state.converted.get(told.path))!, told, response);
  });
  beforeAll(async () => {
    await Promise.all([main, storage].map(listen));
    state.endpoint = addressOf(main);
    state.storage = addressOf(storage);
  });
  afterAll(() => {
    for (const server of [main, storage]) {
      server.closeAllConnections();
      server.close();
    }
  });
  beforeEach(() => {
    state.requests.length = 0;
    state.files.clear();
    state.converted.clear();
    state.commit = commit;
    state.instead = () => false;
    state.cache_dir = path.join(root, String(count++));
    const variables = {
      HF_ENDPOINT: state.endpoint,
      HF_HUB_CACHE: state.cache_dir,
      HF_HOME: path.join(root, 'home'),
    };
    for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
    for (const name of unset) vi.stubEnv(name, '');
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });
  return state;
}

const unset = [
  'HF_TOKEN',
  'HUGGING_FACE_HUB_TOKEN',
  'HF_TOKEN_PATH',
  'HUGGINGFACE_HUB_CACHE',
  'HF_HUB_OFFLINE',
  'TRANSFORMERS_OFFLINE',
  'HF_HUB_ETAG_TIMEOUT',
  'HF_HUB_DOWNLOAD_TIMEOUT',
];

const addressOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const listen = (server: Server) =>
  new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });

function tell(
  { requests }: LocalHub,
  { url, method, headers }: IncomingMessage,
  isStorage: boolean,
): HubRequest {
  const { pathname, searchParams: query } = new URL(url!, 'http://hub');
  const { authorization: token, range } = headers;
  const [, before, place] = /^(\/(?:mirror\/hub\/)?)(.*)$/.exec(pathname)!;
  const told = { method: method!, path: place!, query, before: before!, isStorage, token, range };
  requests.push(told);
  return told;
}

/** Names on a page of a list. */
const pageSize = 3;

function list(hub: LocalHub, place: string, query: URLSearchParams, response: ServerResponse): void {
  const [, id, revision] = /^api\/(.+)\/tree\/([^/]+)$/.exec(place)!;
  const files = revision === convertedCommit ? hub.converted : hub.files;
  if (id !== 'datasets/some/data') {
    refuse(response, 401, 'RepoNotFound');
    return;
  }
  const from = Number(query.get('cursor') ?? 0);
  const entries = [...files].map(([name, { length }]) => ({ type: 'file', path: name, size: length }));
  const folder = { type: 'directory', path: 'folder.csv', size: 0 };
  const next = `<${hub.endpoint}/${place}?recursive=true&cursor=${from + pageSize}>; rel="next"`;
  response
    .writeHead(200, {
      'Content-Type': 'application/json',
      ...(from + pageSize < files.size && { Link: next }),
    })
    .end(JSON.stringify([folder, ...entries.slice(from, from + pageSize)]));
}

function answer(
  hub: LocalHub,
  { path: place, query, method, range }: HubRequest,
  response: ServerResponse,
): void {
  if (place.startsWith('api/')) {
    list(hub, place, query, response);
    return;
  }
  const [, id, revision = '', name = ''] = /^(.+)\/resolve\/([^/]+)\/(.+)$/.exec(place) ?? [];
  const isConverted = revision === convertedCommit || revision === 'refs%2Fconvert%2Fparquet';
  const at = isConverted ? convertedCommit : revision === 'main' ? hub.commit : revision;
  const bytes = (isConverted ? hub.converted : hub.files).get(decodeURIComponent(name));
  if (id !== 'some/model' && id !== 'datasets/some/data') refuse(response, 401, 'RepoNotFound');
  else if (isConverted ? hub.converted.size === 0 : at !== commit && at !== hub.commit)
    refuse(response, 404, 'RevisionNotFound');
  else if (!bytes) refuse(response, 404, 'EntryNotFound', { 'X-Repo-Commit': at });
  else if (isLarge(name))
    response
      .writeHead(302, {
        Location: `${hub.storage}/${name}`,
        'X-Repo-Commit': at,
        'X-Linked-Etag': `"${sha256(bytes)}"`,
        'X-Linked-Size': bytes.length,
      })
      .end();
  else if (range !== undefined) sendRest(bytes, { range }, response);
  else
    response
      .writeHead(200, { ETag: `"${gitBlob(bytes)}"`, 'X-Repo-Commit': at, 'Content-Length': bytes.length })
      .end(method === 'HEAD' ? undefined : bytes);
}

/** As a hub refuses. */
export function refuse(
  response: ServerResponse,
  status: number,
  code?: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { ...(code !== undefined && { 'X-Error-Code': code }), ...headers }).end();
}

/** Sends a file from where the request wants it on. @param most bytes, after which the connection is cut */
export function sendRest(
  bytes: Buffer,
  { range }: Pick<HubRequest, 'range'>,
  response: ServerResponse,
  most = Infinity,
): void {
  const start = Number(/bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0);
  const rest = bytes.subarray(start);
  response.writeHead(start > 0 ? 206 : 200, {
    'Content-Length': rest.length,
    ...(start > 0 && { 'Content-Range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
  });
  if (rest.length <= most) response.end(rest);
  else response.write(rest.subarray(0, most), () => response.destroy());
}
