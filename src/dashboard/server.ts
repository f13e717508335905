/** A page that shows a run as it goes, or as it went: served to this machine alone. */
import { readFile, readdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { iterationOf } from '../checkpoint/iteration-folders.js';
import { largestConfig, readJsonObject } from '../checkpoint/json-file.js';
import { InputError } from '../errors.js';
import { checkpointsOf } from '../train/resume.js';
import { runFileName } from '../train/run-file.js';
import { addEvent, emptyHistory, type LoggedEvent } from './history.js';
import { createLogReader } from './log-lines.js';
import type { FolderMessage, Messages } from './messages.js';

export interface Dashboard {
  /** To be opened in a browser. */
  readonly address: string;
  /** Tells pages the last of the run, and ends. */
  close(): Promise<void>;
}

export interface DashboardOptions {
  /** Any that is free by default. */
  readonly port?: number;
}

/** Everything that is served, but for the events; paths are those of the built package. */
const files = [
  'dashboard/page/style.css',
  ...['main', 'chart', 'dom', 'format', 'predictions', 'tables'].map((name) => `dashboard/page/${name}.js`),
  'dashboard/history.js',
  'train/curves.js',
];
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
};

const headers = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

/** Milliseconds between looks at the folder, while somebody watches. */
const interval = 400;
/** Events of one look that are told one by one; of more, all that is drawn is told anew. */
const mostEvents = 1000;
/** Milliseconds in which a page is to read the last that it is told. */
const patience = 1000;
/** Bytes that wait for a page that does not read. */
const mostWaiting = 2 ** 25;

/**
 * Opens the page of a run's folder on a port of 127.0.0.1. The folder is read while a page is open, and may still be
 * filled, by this process or another.
 *
 * @throws InputError where the port is taken
 */
export async function openDashboard(folder: string, { port = 0 }: DashboardOptions = {}): Promise<Dashboard> {
  const root = new URL('../', import.meta.url);
  const served = new Map(
    ['dashboard/page/index.html', ...files].map((name) => [`/${name}`, new URL(name, root)]),
  );
  served.set('/', served.get('/dashboard/page/index.html')!);

  const pages = new Set<ServerResponse>();
  const watched = watchFolder(folder);
  const look = async () => {
    await watched.look((message) => {
      for (const page of pages) send(page, message);
    });
  };
  const timer = setInterval(() => {
    // what cannot be read now is read later: nobody who trains is to end for it
    if (pages.size > 0) look().catch(() => undefined);
  }, interval);

  const openEvents = async (response: ServerResponse) => {
    await look();
    response.writeHead(200, { ...headers, 'Content-Type': 'text/event-stream', Connection: 'close' });
    for (const message of watched.all()) send(response, message);
    pages.add(response);
    response.on('close', () => pages.delete(response));
    response.on('error', () => pages.delete(response));
  };

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { method, url = '' } = request;
    const file = served.get(url);
    if (!isLocal(request.headers.host)) refuse(response, 403, 'expected a request to 127.0.0.1 or localhost');
    else if (method !== 'GET') refuse(response, 405, 'expected GET');
    else if (url === '/events') await openEvents(response);
    else if (!file) refuse(response, 404, 'there is no such page');
    else {
      const type = types[path.extname(file.pathname)]!;
      response.writeHead(200, { ...headers, 'Content-Type': type }).end(await readFile(file));
    }
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      refuse(response, 500, (error as Error).message);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.on('error', (error: NodeJS.ErrnoException) => {
      reject(
        new InputError(`dashboard: expected a port that is free, found ${port}: ${error.message}`, {
          cause: error,
        }),
      );
    });
    server.listen(port, '127.0.0.1', resolve);
  }).catch((error: unknown) => {
    clearInterval(timer);
    throw error;
  });

  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async close() {
      clearInterval(timer);
      if (pages.size > 0) await look().catch(() => undefined);
      for (const page of pages) {
        send(page, ['closed', null]);
        page.end();
      }
      // a page that does not read is not waited for
      const impatience = setTimeout(() => {
        server.closeAllConnections();
      }, patience);
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeIdleConnections();
      });
      clearTimeout(impatience);
    },
  };
}

/** Another name would be a page elsewhere, whose name was made to lead here (DNS rebinding). */
const isLocal = (host: string | undefined) => /^(127\.0\.0\.1|localhost)(:\d+)?$/i.test(host ?? '');

function refuse(response: ServerResponse, status: number, reason: string): void {
  if (response.headersSent) response.destroy();
  else
    response
      .writeHead(status, { ...headers, 'Content-Type': 'text/plain; charset=utf-8' })
      .end(`${reason}\n`);
}

type Message = { [Name in keyof Messages]: readonly [name: Name, data: Messages[Name]] }[keyof Messages];

function send(page: ServerResponse, [name, data]: Message): void {
  if (page.writableLength > mostWaiting) page.destroy();
  else page.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
}

/** What is known of a folder, and what is new of it at each look. */
function watchFolder(folder: string) {
  const log = createLogReader(path.join(folder, 'log.jsonl'));
  let history = emptyHistory();
  let modified: number | null = null;
  let about: FolderMessage = { name: path.basename(path.resolve(folder)), run: {}, checkpoints: [] };

  const lookNow = async (tell: (message: Message) => void) => {
    const found = { ...about, run: await readRun(folder), checkpoints: await readCheckpoints(folder) };
    if (JSON.stringify(found) !== JSON.stringify(about)) tell(['folder', (about = found)]);
    const before = history;
    const events: LoggedEvent[] = [];
    modified = await log.read(
      (event) => {
        addEvent(history, event);
        if (events.length <= mostEvents) events.push(event);
      },
      () => {
        history = emptyHistory();
      },
    );
    if (history !== before || events.length > mostEvents) tell(['history', { history, modified }]);
    else if (events.length > 0) tell(['events', { events, modified }]);
  };

  let looking = Promise.resolve();
  return {
    /** One at a time. */
    look: (tell: (message: Message) => void) =>
      (looking = looking.then(
        () => lookNow(tell),
        () => lookNow(tell),
      )),
    all: (): Message[] => [
      ['folder', about],
      ['history', { history, modified }],
    ],
  };
}

const readRun = (folder: string) =>
  readJsonObject(path.join(folder, runFileName), largestConfig).catch(() => ({}));

/** Iterations, the newest first. */
async function readCheckpoints(folder: string): Promise<number[]> {
  const names = await readdir(checkpointsOf(folder)).catch(() => []);
  return names
    .flatMap((name) => iterationOf(name) ?? [])
    .sort((a, b) => b - a)
    .slice(0, 100);
}
