/** `npm start` and the longer example, with a few iterations only. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { readJson } from './support/fixture.js';
import { temporaryFolder } from './support/workspace.js';

const quickstart = fileURLToPath(new URL('../examples/quickstart.mjs', import.meta.url));
const folder = temporaryFolder();

test('the quickstart goes all the way', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [quickstart, folder, '5']);
  const summary = readJson(path.join(folder, 'model', 'summary.json')) as Record<string, number>;
  expect(Math.abs(summary.initial_loss! - Math.log(summary.vocab_size!))).toBeLessThan(0.3);
  expect(summary.ranks).toBe(2);
  expect(stdout.match(/\[MASK\].*\n( {2}\S+ +\d+\.\d %\n){3}/g)).toHaveLength(3);
  expect(stdout).toContain('loss.svg in a browser');
});

test('a novel and speeches', async () => {
  const example = fileURLToPath(new URL('../examples/novel-and-speeches.mjs', import.meta.url));
  const output = path.join(folder, 'longer');
  const flags = ['--train-iterations', '2', '--evaluation-sequences', '16', '--num-layers', '1'];
  const { stdout } = await promisify(execFile)(process.execPath, [example, output, ...flags]);
  expect(stdout).toContain('135 documents');
  expect(stdout).toContain('233 documents');
  const summary = readJson(path.join(output, 'model', 'summary.json')) as Record<string, number>;
  expect(summary.iterations).toBe(2);
});

test('its sentences are in chapters that were held out', () => {
  // of 135 chapters 949 parts of 1,000 are trained on, which leaves the last seven
  const heldOut = [129, 130, 131, 132, 133, 134, 135].map((chapter) =>
    readFileSync(path.join(folder, 'corpus', `chapter_${chapter}.txt`), 'utf8').replace(/\s+/g, ' '),
  );
  const sentences = [...readFileSync(quickstart, 'utf8').matchAll(/'(.*\[MASK\].*)'/g)].map(
    ([, text]) => text!,
  );
  expect(sentences).toHaveLength(3);
  for (const sentence of sentences) {
    const [before, after] = sentence.replace(/[.]$/, '').split('[MASK]') as [string, string];
    expect(
      heldOut.some((text) => text.includes(before) && text.includes(after)),
      sentence,
    ).toBe(true);
  }
});
