/** Pages that are built as users build them, served, and opened in a browser. */
import { cpSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser } from 'playwright-core';
import { build } from 'vite';
import { afterAll } from 'vitest';

export const repository = fileURLToPath(new URL('../..', import.meta.url));

/** Undefined where there is none. */
export const chromiumPath = [
  process.env.CHROMIUM_PATH,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((file) => file !== undefined && existsSync(file));

/** Closed after the tests of a file. @param flags of Chromium's command line */
export async function openBrowser(flags: readonly string[] = []): Promise<Browser> {
  // as root there is no sandbox
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({ executablePath: chromiumPath!, args: [...sandbox, ...flags] });
  afterAll(() => browser.close());
  return browser;
}

/** @param page its folder, absolute or of this repository, which is copied to a place where this package is installed, and built there @returns what was built */
export async function buildPage(page: string, target: string): Promise<string> {
  cpSync(path.resolve(repository, page), target, {
    recursive: true,
    filter: (file) => !/[\\/](node_modules|dist|public)$/.test(file),
  });
  mkdirSync(path.join(target, 'node_modules'));
  symlinkSync(repository, path.join(target, 'node_modules', 'megatron-bert'), 'junction');
  await build({ root: target, logLevel: 'warn' });
  return path.join(target, 'dist');
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

/** Serves each folder under its path until the tests of a file are over. @returns the server's address */
export async function serve(
  folders: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, 'http://server');
    const [prefix, folder] = Object.entries(folders).find(([prefix]) => pathname.startsWith(prefix)) ?? [];
    const name = pathname.slice(prefix?.length);
    const file = folder && path.join(folder, name === '' ? 'index.html' : name);
    if (!file || !existsSync(file)) return void response.writeHead(404).end();
    const content = readFileSync(file);
    response
      .writeHead(200, {
        ...headers,
        'Content-Type': types[path.extname(file)] ?? 'application/octet-stream',
        'Content-Length': content.length,
        'Last-Modified': statSync(file).mtime.toUTCString(),
      })
      .end(content);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  afterAll(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
