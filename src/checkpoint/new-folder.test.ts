import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/support/workspace.js';
import { makeFolder } from './new-folder.js';

const root = temporaryFolder();
/** No process has this number: they end at 2²². */
const gone = 2 ** 22 + 1;
const write = (text: string) => async (folder: string) => writeFile(path.join(folder, 'file'), text);

function place(name: string): { readonly above: string; readonly target: string } {
  const above = path.join(root, name);
  mkdirSync(above);
  return { above, target: path.join(above, 'target') };
}

test('a folder that fails leaves nothing, one that is made leaves only itself', async () => {
  const { above, target } = place('new');
  const fail = () => Promise.reject(new Error('out of ink'));
  await expect(makeFolder(path.join(target, 'inner'), { overwrite: false }, fail)).rejects.toThrow(
    'out of ink',
  );
  expect(readdirSync(above)).toEqual([]);
  await makeFolder(target, { overwrite: false }, write('new'));
  expect(readdirSync(above)).toEqual(['target']);
});

test('a folder that is not empty is replaced only where that is asked for', async () => {
  const { above, target } = place('full');
  await makeFolder(target, { overwrite: false }, write('old'));
  await expect(makeFolder(target, { overwrite: false }, write('new'))).rejects.toThrow('is not empty');
  await makeFolder(target, { overwrite: true }, write('new'));
  expect(readFileSync(path.join(target, 'file'), 'utf8')).toBe('new');
  expect(readdirSync(above)).toEqual(['target']);
});

test('what processes that are gone left unfinished is removed', async () => {
  const { above, target } = place('left');
  mkdirSync(path.join(above, `.target.incomplete-${gone}`));
  mkdirSync(path.join(above, '.target.incomplete-of-mine'));
  await makeFolder(target, { overwrite: false }, write('new'));
  expect(readdirSync(above).sort()).toEqual(['.target.incomplete-of-mine', 'target']);
});

test('a folder that was about to be replaced when the process ended comes back', async () => {
  const { above, target } = place('replaced');
  const old = path.join(above, `.target.incomplete-${gone}-replaced`);
  mkdirSync(old);
  writeFileSync(path.join(old, 'file'), 'old');
  await expect(makeFolder(target, { overwrite: false }, write('new'))).rejects.toThrow('is not empty');
  expect(readFileSync(path.join(target, 'file'), 'utf8')).toBe('old');
  expect(existsSync(old)).toBe(false);
});
