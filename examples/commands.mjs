// What examples have in common: texts that npm packages ship, and the commands that anyone would type.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const cli = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

/** Copies the files of a package's `data/` whose names fit. */
export function copyTexts(packageName, names, folder) {
  mkdirSync(folder, { recursive: true });
  const data = path.join(path.dirname(require.resolve(`${packageName}/package.json`)), 'data');
  for (const name of readdirSync(data))
    if (names.test(name)) cpSync(path.join(data, name), path.join(folder, name));
}

/** Shows a command, runs it, and ends where it fails. */
export function megatronBert(args) {
  console.log(
    `\n$ megatron-bert ${args.map((word) => (/[\s[\]]/.test(word) ? `"${word}"` : word)).join(' ')}`,
  );
  const { status } = spawnSync(process.execPath, [cli, ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
