/** Many ranks start at once, and need the same samples. */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import type { PreparedSamples, SampleKind } from '../src/data/pretraining/prepare.js';
import { writeDataset } from './support/datasets.js';
import { temporaryFolder } from './support/workspace.js';

const folder = temporaryFolder();
const script = fileURLToPath(new URL('support/prepare-samples.mjs', import.meta.url));
const prefixes = await Promise.all(
  [3, 5].map((salt) =>
    writeDataset(
      path.join(folder, `data-${salt}`),
      Array.from({ length: 3000 }, (_, i) =>
        Array.from({ length: i % 7 }, (_, j) => new Array<number>(1 + ((i * salt + j) % 20)).fill(9)),
      ),
    ),
  ),
);

interface Task {
  readonly prefixes: readonly string[];
  readonly options: { readonly kind: SampleKind; readonly count: number; readonly folder: string };
}

const inProcess = async (task: Task) => {
  const { stdout } = await promisify(execFile)(process.execPath, [script, JSON.stringify(task)]);
  return JSON.parse(stdout) as PreparedSamples;
};
const inThread = (task: Task) =>
  new Promise<PreparedSamples>((resolve, reject) => {
    new Worker(script, { workerData: task }).once('message', resolve).once('error', reject);
  });

test.each<SampleKind>([
  { kind: 'bert', longest: 61, shortSequenceProbability: 0.1, seed: 1 },
  { kind: 'gpt', sequenceLength: 64, seed: 1 },
])('threads and processes that prepare samples of kind $kind at once', async (kind) => {
  const task = (name: string) => {
    mkdirSync(path.join(folder, name));
    return { prefixes, options: { kind, count: 30_000, folder: path.join(folder, name) } };
  };
  const [alone, together] = [task(`${kind.kind}-alone`), task(`${kind.kind}-together`)];
  await inThread(alone);
  const everyone = [inProcess, inProcess, inProcess, inThread, inThread, inThread];
  const prepared = await Promise.all(everyone.map((start) => start(together)));
  for (const one of prepared) expect(one).toEqual(prepared[0]);
  const files = readdirSync(alone.options.folder);
  expect(readdirSync(together.options.folder)).toEqual(files);
  for (const file of files) {
    const [a, b] = [alone, together].map(({ options }) => readFileSync(path.join(options.folder, file)));
    expect(a!.equals(b!)).toBe(true);
  }
});
