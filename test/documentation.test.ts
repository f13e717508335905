/** What the documentation tells people to type, typed. */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { megatronBert, temporaryFolder, writeChapters } from './support/workspace.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const blocks = (file: string, language: string) =>
  [
    ...readFileSync(path.join(root, file), 'utf8').matchAll(
      new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 'gs'),
    ),
  ].map(([, block]) => block!);

/** `npx megatron-bert …` lines as lists of words. */
const commands = (file: string) =>
  blocks(file, 'sh')
    .flatMap((block) => block.replace(/\\\n/g, ' ').split('\n'))
    .filter((line) => line.startsWith('npx megatron-bert '))
    .map((line) =>
      [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!).slice(2),
    );

// enough to run through; the text says how long real runs are
const short = ['--train-iterations', '2', '--evaluation-sequences', '4', '--overwrite-output-dir'];

// a reader comes with what the page before made
const folder = temporaryFolder();
beforeAll(() => {
  writeChapters(path.join(folder, 'corpus'), 4);
  mkdirSync(path.join(folder, 'node_modules'));
  symlinkSync(root, path.join(folder, 'node_modules', 'megatron-bert'), 'junction');
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
});

describe.each(['README.md', 'docs/pretraining.md', 'docs/inference.md'])('%s', (file) => {
  test('its commands', async () => {
    expect(commands(file).length).toBeGreaterThan(0);
    for (const words of commands(file)) {
      const more = words[0] === 'pretrain' ? short : [];
      const { code, stderr } = await megatronBert({ cwd: folder }, ...words, ...more);
      expect(code, `${words.join(' ')}\n${stderr}`).toBe(0);
    }
  });

  test('its JavaScript', async () => {
    for (const [i, block] of blocks(file, 'js').entries()) {
      const script = path.join(folder, `example-${i}.js`);
      writeFileSync(script, block);
      await expect(promisify(execFile)(process.execPath, [script], { cwd: folder })).resolves.toBeDefined();
    }
  });
});
