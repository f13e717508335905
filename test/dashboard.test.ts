/** The page of a run: what it serves and refuses, and what Chromium shows of it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import path from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import type { LoggedPredictions, LoggedStep } from '../src/dashboard/history.js';
import { chromiumPath, openBrowser, repository } from './support/browser.js';
import { built } from './support/package.js';
import { megatronBert, startServing, temporaryFolder, writeChapters } from './support/workspace.js';

const folder = temporaryFolder();
const at = (...names: string[]) => path.join(folder, ...names);
const pretrainArguments = (output: string, iterations: number) => [
  ...['pretrain', at('corpus'), '--tokenizer', at('tokenizer'), '--output', at(output)],
  ...['--num-layers', '1', '--hidden-size', '16', '--num-attention-heads', '2', '--sequence-length', '32'],
  ...['--micro-batch-size', '2', '--train-iterations', String(iterations), '--learning-rate', '1e-2'],
  ...['--evaluation-interval', '50', '--evaluation-sequences', '8', '--threads', '1'],
];

beforeAll(async () => {
  writeChapters(at('corpus'), 3);
  await megatronBert('train-tokenizer', at('corpus'), '--vocab-size', '300', '--output', at('tokenizer'));
  const { code, stderr } = await megatronBert(...pretrainArguments('run', 120));
  expect(code, stderr).toBe(0);
}, 60_000);

/** A request as it is, without the corrections of a browser. */
function ask(address: string, target: string, headers: Record<string, string> = {}, method = 'GET') {
  const { hostname, port, host } = new URL(address);
  return new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: string }>(
    (resolve, reject) => {
      const asked = request({ hostname, port, path: target, method, headers: { host, ...headers } });
      asked.on('error', reject).on('response', (response) => {
        let body = '';
        const finish = () => {
          resolve({ status: response.statusCode!, headers: response.headers, body });
          asked.destroy();
        };
        response.on('end', finish).on('data', (bytes: Buffer) => {
          body += bytes.toString();
          if (target === '/events' && body.includes('event: history')) finish();
        });
      });
      asked.end();
    },
  );
}

describe('what is served', () => {
  let address: string;
  beforeAll(async () => {
    const dashboard = await built.openDashboard(at('run'));
    address = dashboard.address;
    return () => dashboard.close();
  });

  test('the page, what it loads, and the events', async () => {
    expect(address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    const page = await ask(address, '/');
    expect(page.status).toBe(200);
    expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self';/);
    for (const [, loaded] of page.body.matchAll(/(?:href|src)="(\/[^"]*)"/g))
      expect((await ask(address, loaded!)).status, loaded).toBe(200);
    const { body, headers } = await ask(address, '/events');
    expect(headers['content-type']).toBe('text/event-stream');
    expect(body).toMatch(/^event: folder\ndata: \{"name":"run",.*"iterations":120.*\}\n\nevent: history\n/);
  });

  test.each(['localhost', 'localhost:1', '127.0.0.1', 'LOCALHOST:8080'])(
    '%s is this machine',
    async (host) => {
      expect((await ask(address, '/', { host })).status).toBe(200);
    },
  );

  test.each([
    'attacker.example',
    'attacker.example:80',
    '127.0.0.1.attacker.example',
    'localhost.attacker',
    '192.168.0.1',
  ])('a request to the name "%s" is refused', async (host) => {
    for (const target of ['/', '/events']) {
      const { status, body } = await ask(address, target, { host });
      expect(status).toBe(403);
      expect(body).toBe('expected a request to 127.0.0.1 or localhost\n');
    }
  });

  test.each([
    '/log.jsonl',
    '/../package.json',
    '/dashboard/page/../../package.json',
    '/dashboard/page/%2e%2e/%2e%2e/cli/main.js',
    '/..%2f..%2f..%2fetc/passwd',
    '/dashboard/server.js',
    '//etc/passwd',
    '/?/../../package.json',
    'http://127.0.0.1/../package.json',
  ])('%s is not served', async (target) => {
    expect((await ask(address, target)).status).toBe(404);
  });

  test('nothing can be sent', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
      expect((await ask(address, '/', {}, method)).status).toBe(405);
  });
});

test('a port that is taken, and a folder without a run, are refused', async () => {
  const dashboard = await built.openDashboard(at('run'));
  const { port } = new URL(dashboard.address);
  await expect(built.openDashboard(at('run'), { port: Number(port) })).rejects.toThrow(
    `dashboard: expected a port that is free, found ${port}`,
  );
  const taken = await megatronBert(...pretrainArguments('refused', 10), '--dashboard', port);
  expect(taken.code).toBe(2);
  expect(taken.stderr).toContain(`expected a port that is free, found ${port}`);
  await dashboard.close();
  const { code, stderr } = await megatronBert('dashboard', at('corpus'));
  expect(stderr).toMatch(/expected the folder of a run, found no log\.jsonl in .*corpus/);
  expect(code).toBe(2);
});

if (chromiumPath === undefined)
  console.warn('No Chromium (CHROMIUM_PATH or /usr/bin/chromium): what the dashboard shows is not tested.');

describe.skipIf(chromiumPath === undefined)('in Chromium', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openBrowser();
  });

  async function open(address: string, viewport = { width: 1280, height: 900 }) {
    const page = await browser.newPage({ viewport });
    const errors: string[] = [];
    page.on('pageerror', ({ message }) => errors.push(message));
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
    await page.goto(address);
    return { page, errors };
  }

  const lossPoints = (page: Page) =>
    page.evaluate<number>(
      `(document.querySelector('#loss .curve.faint polyline')?.getAttribute('points') ?? '').split(' ').length`,
    );
  const untilMoreThan = (page: Page, count: number) =>
    expect.poll(() => lossPoints(page), { timeout: 30_000 }).toBeGreaterThan(count);

  test('curves and predictions grow while training runs', async () => {
    const training = startServing(...pretrainArguments('live', 1_000_000), '--dashboard');
    const { page, errors } = await open(await training.address);
    await untilMoreThan(page, 10);
    const before = await lossPoints(page);
    await untilMoreThan(page, before + 20);
    const newest = async () => Number(await page.locator('#predicted').getAttribute('max'));
    await expect.poll(newest, { timeout: 30_000 }).toBeGreaterThan(1);
    expect(await page.locator('#status').innerText()).toMatch(/^[\d,]+ of 1,000,000 iterations · .* left$/);
    expect(await page.locator('#sentences .word').count()).toBeGreaterThan(0);
    expect(await training.stop('SIGINT')).toBe(130);
    await page.locator('#status', { hasText: 'no longer served' }).waitFor();
    expect(errors).toEqual([]);
    await page.close();
  });

  test('a finished run opens, with its curves, values and predictions', async () => {
    const served = startServing('dashboard', at('run'));
    const { page, errors } = await open(await served.address);
    await page.locator('#status', { hasText: '120 of 120 iterations · finished' }).waitFor();
    expect(await lossPoints(page)).toBe(120);
    const log = readFileSync(at('run', 'log.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as LoggedStep | LoggedPredictions);

    // one curve that is not smoothed
    const drawing = page.locator('#learning-rate svg');
    const { width } = (await drawing.boundingBox())!;
    for (const share of [0.25, 0.5]) {
      await drawing.hover({ position: { x: width * share, y: 50 } });
      const pointed = Number(await page.locator('#learning-rate .crosshair text').innerHTML());
      const step = log.find(
        (event): event is LoggedStep => event.kind === 'step' && event.iteration === pointed,
      )!;
      const shown = Number(await page.locator('#learning-rate .legend b').innerText());
      expect(shown / step.learning_rate!).toBeCloseTo(1, 2);
      // the same iteration in the other charts
      expect(await page.locator('#loss .crosshair text').innerHTML()).toBe(String(pointed));
    }

    const { sentences } = log.findLast((event) => event.kind === 'predictions')!;
    expect(await page.locator('#sentences .word b').allInnerTexts()).toEqual(
      sentences.flat().flatMap((part) => (typeof part === 'string' ? [] : [part.predicted])),
    );
    await page.locator('#predicted').fill('0');
    expect(await page.locator('#predicted-at').innerText()).toBe('0');

    await page.getByText('Options').click();
    expect(await page.locator('#options').innerText()).toMatch(/micro batch size\s+2/);
    expect(await page.locator('#checkpoints dt').allTextContents()).toEqual(['120', '100']);
    expect(errors).toEqual([]);
    await served.stop('SIGTERM');
    await page.close();
  });

  test('it fits a phone', async () => {
    const dashboard = await built.openDashboard(at('run'));
    const { page } = await open(dashboard.address, { width: 360, height: 700 });
    await untilMoreThan(page, 10);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    await page.close();
    await dashboard.close();
  });

  test('whatever a folder holds is text', async () => {
    const markup = '<img src=x onerror="document.title=1"><script>document.title=1</script>';
    const hostile = at('<img src=x onerror=alert(1)>');
    mkdirSync(hostile);
    const sentences = [[markup, { word: markup, predicted: markup, probability: 1e9 }]];
    const lines = [
      { kind: 'step', iteration: 3, lm_loss: 1e308, gradient_norm: -1e308, learning_rate: '<b>' },
      { kind: 'step', iteration: 2, lm_loss: 3, learning_rate: 0, seconds: 0 },
      { kind: 'predictions', iteration: 3, sentences },
    ];
    writeFileSync(path.join(hostile, 'log.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const run = { iterations: markup, options: { [markup]: markup, __proto__: 1 }, config: [markup, null] };
    writeFileSync(path.join(hostile, 'run.json'), JSON.stringify(run));
    const dashboard = await built.openDashboard(hostile);
    const { page, errors } = await open(dashboard.address);
    await page.locator('#sentences .word').waitFor();
    expect(await page.locator('h1').innerText()).toBe(path.basename(hostile));
    expect(await page.locator('#sentences .word b').textContent()).toBe(markup);
    expect(await page.locator('#options dd').textContent()).toBe(markup);
    expect(await page.locator('img, script:not([src])').count()).toBe(0);
    expect(errors).toEqual([]);
    await page.close();
    await dashboard.close();
  });

  // DASHBOARD_RUN=runs/quickstart/model npx vitest run test/dashboard.test.ts -t picture
  const { DASHBOARD_RUN: run } = process.env;
  test.skipIf(run === undefined)('the picture of docs/pretraining.md', async () => {
    const dashboard = await built.openDashboard(run!);
    const { page } = await open(dashboard.address, { width: 1040, height: 1230 });
    await untilMoreThan(page, 10);
    await page.screenshot({ path: path.join(repository, 'docs/dashboard.png') });
    await page.close();
    await dashboard.close();
  });
});
