/** The package in a web page: built with Vite, opened in Chromium, compared with the same calls in Node. */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import type * as BrowserPackage from '../src/browser/index.js';
import { narrowBfloat16, narrowFloat16 } from '../src/checkpoint/half-precision.js';
import { writeSafetensors, type SafetensorsEntry } from '../src/checkpoint/safetensors.js';
import type { FilledMask } from '../src/pipelines/fill-mask.js';
import { pipeline } from '../src/pipelines/node.js';
import type { TaskName } from '../src/pipelines/pipelines.js';
import { buildPage, chromiumPath, openBrowser, repository, serve } from './support/browser.js';
import { fixture, readTensors } from './support/fixture.js';
import { temporaryFolder } from './support/workspace.js';

const folder = temporaryFolder();
const models = path.join(folder, 'models');

type Call = readonly [task: TaskName, model: string, ...inputs: unknown[]];

const fillMask: Call = ['fill-mask', 'masked-lm', ['The great [MASK].', 'a [MASK], [MASK]'], { top_k: 3 }];
// one of each other pipeline
const calls: readonly Call[] = [
  ['feature-extraction', 'model', ['a whale', 'the sea was calm that day'], { pooling: 'mean' }],
  ['question-answering', 'question-answering', 'Who saw it?', 'In the evening the captain saw the whale.'],
  ['text-classification', 'classification', ['a fine day', 'a storm came'], { top_k: null }],
  ['token-classification', 'ner', 'Ahab sailed from Nantucket', { aggregation_strategy: 'simple' }],
  ['zero-shot-classification', 'nli', 'The whale dived.', ['sea', 'land']],
  ['multiple-choice', 'multiple-choice', 'The captain', ['shouted.', 'was a whale.']],
  ['next-sentence', 'next-sentence', 'A sail!', 'It was far away.'],
  ['text-generation', 'causal', 'Call me', { max_new_tokens: 4 }],
];

type Library = typeof BrowserPackage;
type AnyPipeline = ((...inputs: readonly unknown[]) => Promise<unknown>) & { dispose(): Promise<void> };

const answerIn = (page: Page, [task, model, ...inputs]: Call): Promise<unknown> =>
  page.evaluate(
    async ([task, model, inputs]) => {
      const { megatronBert } = globalThis as unknown as { readonly megatronBert: Library };
      const run = (await megatronBert.pipeline(task, model)) as unknown as AnyPipeline;
      const answer = JSON.stringify(await run(...inputs));
      await run.dispose();
      return JSON.parse(answer) as unknown;
    },
    [task, `/models/${model}`, inputs] as const,
  );

async function answerInNode([task, model, ...inputs]: Call): Promise<unknown> {
  const options = { warn: () => undefined };
  const run = (await pipeline(task, path.join(models, model), options)) as unknown as AnyPipeline;
  const answer = JSON.stringify(await run(...inputs));
  await run.dispose();
  return JSON.parse(answer);
}

async function expectAsInNode(page: Page, call: Call): Promise<void> {
  expectClose(await answerIn(page, call), await answerInNode(call), call.slice(0, 2).join(' '));
}

/** Equal, numbers within 1e-4. */
function expectClose(found: unknown, expected: unknown, where: string): void {
  if (typeof expected === 'number') {
    expect(Math.abs((found as number) - expected), where).toBeLessThan(1e-4);
  } else if (typeof expected === 'object' && expected !== null) {
    expect(Object.keys(found as object), where).toEqual(Object.keys(expected));
    for (const [key, value] of Object.entries(expected))
      expectClose((found as Record<string, unknown>)[key], value, `${where}.${key}`);
  } else expect(found, where).toBe(expected);
}

function writeTruncated(model: string): void {
  cpSync(path.join(models, 'masked-lm'), model, { recursive: true });
  truncateSync(path.join(model, 'model.safetensors'), 50_000);
}

/** Two files and their index, with numbers of every width. */
async function writeShards(model: string): Promise<void> {
  cpSync(path.join(models, 'masked-lm'), model, { recursive: true });
  const whole = path.join(model, 'model.safetensors');
  const kinds = [
    (values: Float32Array) => ({ dtype: 'F32', data: values }) as const,
    (values: Float32Array) => ({ dtype: 'F16', data: narrowFloat16(values) }) as const,
    (values: Float32Array) => ({ dtype: 'BF16', data: narrowBfloat16(values) }) as const,
  ];
  const entries = [...(await readTensors(whole))].map(([name, { shape, data }], i): SafetensorsEntry => ({
    name,
    shape,
    ...kinds[i % 3]!(data as Float32Array),
  }));
  const fileOf = (i: number) => `model-${(i % 2) + 1}.safetensors`;
  for (const part of [0, 1])
    await writeSafetensors(
      path.join(model, fileOf(part)),
      entries.filter((_, i) => i % 2 === part),
    );
  const weight_map = Object.fromEntries(entries.map(({ name }, i) => [name, fileOf(i)]));
  writeFileSync(`${whole}.index.json`, JSON.stringify({ weight_map }));
  rmSync(whole);
}

/** The JavaScript of docs/browser.md as a page, which says when it is done. */
function writeDocumentedPage(target: string): string {
  const text = readFileSync(path.join(repository, 'docs/browser.md'), 'utf8');
  const blocks = [...text.matchAll(/```js\n(.*?)```/gs)].map(([, block]) => block!);
  expect(blocks.length).toBeGreaterThan(0);
  mkdirSync(target);
  const scripts = [...blocks, 'globalThis.isDone = true;'].map((block, i) => {
    writeFileSync(path.join(target, `${i}.js`), block);
    return `<script type="module" src="./${i}.js"></script>`;
  });
  writeFileSync(path.join(target, 'index.html'), scripts.join('\n'));
  return target;
}

if (chromiumPath === undefined)
  console.warn('No Chromium (CHROMIUM_PATH or /usr/bin/chromium): what a page computes is not tested.');

describe.skipIf(chromiumPath === undefined)('in Chromium', () => {
  let built: Readonly<Record<'example' | 'library' | 'documented', string>>;
  let browser: Browser;
  beforeAll(async () => {
    cpSync(fixture('pipelines/models'), models, { recursive: true });
    writeTruncated(path.join(models, 'truncated'));
    await writeShards(path.join(models, 'shards'));
    const documented = writeDocumentedPage(path.join(folder, 'written'));
    built = {
      example: await buildPage('examples/browser', path.join(folder, 'example')),
      library: await buildPage('test/support/page', path.join(folder, 'library')),
      documented: await buildPage(documented, path.join(folder, 'documented')),
    };
    browser = await openBrowser();
  }, 60_000);

  const open = async (
    page: keyof typeof built,
    { from = browser, headers = {}, model = path.join(models, 'masked-lm') } = {},
  ) => {
    const address = await serve(
      { '/models/': models, '/model/': model, '/my-model/': model, '/': built[page] },
      headers,
    );
    const opened = await from.newPage({ viewport: { width: 1200, height: 700 } });
    const errors: string[] = [];
    opened.on('pageerror', ({ message }) => errors.push(message));
    await opened.goto(address);
    return { page: opened, address, errors };
  };

  test('the example fills masks as one types', async () => {
    const { page, errors } = await open('example');
    const words = page.locator('#words li');
    await words.first().waitFor();
    const text = 'The great [MASK] rose from the sea.';
    await page.fill('#text', '');
    await page.locator('#text').pressSequentially(text);
    await page.locator('#sentence', { hasText: /^The great .* rose from the sea\.$/ }).waitFor();
    const expected = (await answerInNode(['fill-mask', 'masked-lm', text, { top_k: 6 }])) as FilledMask[];
    expect(await words.allInnerTexts()).toEqual(
      expected.map(({ token_str, score }) => `${token_str}\n${(100 * score).toFixed(1)} %`),
    );
    expect(await page.locator('#status').innerText()).toMatch(/^(WebGPU|WebAssembly), \d+ ms$/);
    expect(errors).toEqual([]);
    await page.close();
  });

  test('the example says what is wrong', async () => {
    const { page, address } = await open('example');
    const error = page.locator('#error');
    await page.goto(`${address}/?model=/absent/`);
    await error.waitFor();
    expect(await error.innerText()).toBe(`not a model folder: there is no ${address}/absent/config.json`);
    await page.goto(`${address}/?model=/models/truncated/`);
    await error.waitFor();
    expect(await error.innerText()).toMatch(/truncated\/model\.safetensors: tensor .* incomplete\?$/);
    await page.close();
  });

  test('every pipeline answers as in Node', async () => {
    const { page, errors } = await open('library');
    for (const call of [fillMask, ...calls]) await expectAsInNode(page, call);
    expect(errors).toEqual([]);
    await page.close();
  });

  test('weights may lie in several files and have 16 bits', async () => {
    const { page } = await open('library');
    await expectAsInNode(page, fillMask.with(1, 'shards') as unknown as Call);
    await page.close();
  });

  test('weights are downloaded once', async () => {
    const { page, address } = await open('library');
    const file = `${address}/models/masked-lm/model.safetensors`;
    const load = () =>
      page.evaluate(async () => {
        const { megatronBert } = globalThis as unknown as { readonly megatronBert: Library };
        const files = new Set<string>();
        await megatronBert.MegatronBertForMaskedLM.from_pretrained('/models/masked-lm/', {
          progress_callback: (event) => event.status === 'done' && files.add(event.file),
        });
        return [...files];
      });
    expect(await load()).toEqual(['config.json', 'model.safetensors']);
    await page.waitForFunction(`caches.open('megatron-bert').then((cache) => cache.match('${file}'))`);
    await page.reload();
    await page.waitForFunction('globalThis.megatronBert');
    expect(await load()).toEqual(['config.json']);
    await page.close();
  });

  test('several threads compute the same', async () => {
    const { page } = await open('library', { headers: isolation });
    expect(await page.evaluate('crossOriginIsolated')).toBe(true);
    await expectAsInNode(page, fillMask);
    await page.close();
  });

  test('WebGPU, for which software stands in, computes the same', async (context) => {
    const { page } = await open('library', { from: await openBrowser(softwareGpu) });
    if ((await page.evaluate('megatronBert.findDevice()')) !== 'webgpu')
      return context.skip('this Chromium has no adapter');
    await expectAsInNode(page, fillMask);
    expect(await page.evaluate('megatronBert.findDevice()')).toBe('webgpu');
    await page.close();
  });

  test('WebAssembly takes over where WebGPU fails', async () => {
    const { page } = await open('library');
    const warnings: string[] = [];
    page.on('console', (message) => message.type() === 'warning' && warnings.push(message.text()));
    await page.evaluate(
      `Object.defineProperty(navigator, 'gpu', { value: { requestAdapter: ${brokenAdapter} } })`,
    );
    await expectAsInNode(page, fillMask);
    expect(
      warnings.filter((text) => text.startsWith('WebGPU fails, WebAssembly takes its place')),
    ).toHaveLength(1);
    expect(await page.evaluate('megatronBert.findDevice()')).toBe('wasm');
    await page.close();
  });

  test('docs/browser.md, its JavaScript', async () => {
    const { page, errors } = await open('documented');
    await page.waitForFunction('globalThis.isDone', undefined, { timeout: 20_000 }).catch(() => undefined);
    expect(errors).toEqual([]);
    expect(await page.evaluate('globalThis.isDone')).toBe(true);
    await page.close();
  });

  test('a page gets nothing of Node', () => {
    const assets = path.join(built.library, 'assets');
    // ONNX Runtime asks Node only where it runs in Node
    const own = readdirSync(assets).filter((name) => name.endsWith('.js') && !name.startsWith('ort.'));
    expect(own.length).toBeGreaterThan(0);
    for (const name of own) {
      const [found] =
        /vite-browser-external|koffi|onnxruntime-node|["'`]node:/.exec(
          readFileSync(path.join(assets, name), 'utf8'),
        ) ?? [];
      expect(found, name).toBeUndefined();
    }
  });

  // PICTURE_MODEL=runs/quickstart/model npx vitest run test/browser.test.ts -t picture
  const { PICTURE_MODEL: model } = process.env;
  test.skipIf(model === undefined)('the picture of docs/browser.md', async () => {
    const { page } = await open('example', { model: model! });
    await page.locator('#words li').first().waitFor();
    await page.screenshot({ path: path.join(repository, 'docs/browser.png') });
    await page.close();
  });
});

const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};
const softwareGpu = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
const brokenAdapter = `async () => ({
  features: new Set(),
  limits: {},
  info: {},
  requestDevice: () => Promise.reject(new Error('no device')),
})`;
