/**
 * The work folder of a run, beside its output: the parts of each data set, and a journal of what is on disk. Each line
 * of it says how long the parts were at a moment, with checksums, and where in the inputs the run was then.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat, writeFile, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { isRunning } from '../../checkpoint/new-folder.js';
import { exists } from '../../checkpoint/paths.js';
import { InputError } from '../../errors.js';
import { partNames, partPath, type PartsCheckpoint } from '../indexed/parts.js';
import type { Place } from './chunks.js';

/** What the work of a run depends on. */
export interface RunDescription {
  readonly inputs: readonly { readonly path: string; readonly bytes: number; readonly modified: number }[];
  /** Checksum. */
  readonly tokenizer: string;
  readonly encoding: object;
}

/** A moment at which all that was done was on disk. */
export interface Moment {
  readonly next: Place;
  /** Lines of the file at `next` that were read. */
  readonly line: number;
  readonly parts: readonly PartsCheckpoint[];
}

/** `encoding`, then `encoded`: there is nothing left to read; then `moving`: all is made, and goes to its place. */
export type Stage = 'encoding' | 'encoded' | 'moving';

type Line = { readonly run: RunDescription } | { readonly moment: Moment } | { readonly stage: Stage };

export interface Journal {
  readonly folder: string;
  /** From which the run goes on. */
  readonly moment: Moment | undefined;
  readonly stage: Stage;
  add(line: { readonly moment: Moment } | { readonly stage: Stage }): Promise<void>;
  /** Keeps what was done for another run; where that is nothing, no folder is left. */
  leave(): Promise<void>;
  remove(): Promise<void>;
}

export const workFolderOf = (outputPrefix: string) => `${path.resolve(outputPrefix)}.incomplete`;

/** Of the data set of a key, by its number. */
export const partsBase = (folder: string, key: number) => path.join(folder, String(key));

/** @throws InputError where the folder is that of another run, or of one that is under way */
export async function openJournal(outputPrefix: string, run: RunDescription): Promise<Journal> {
  const folder = workFolderOf(outputPrefix);
  const name = path.join(folder, 'journal.jsonl');
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw new InputError(`${outputPrefix}: cannot be written: ${(error as Error).message}`, { cause: error });
  });
  await takeLock(folder);
  const { moments, stage } = await resumable(await readLines(name), run, folder);
  const file = await rewrite(name, [
    { run },
    ...moments.map((moment) => ({ moment })),
    ...(stage === 'encoding' ? [] : [{ stage }]),
  ]);
  let hasWork = moments.length > 0 || stage !== 'encoding';
  const remove = async () => {
    await file.close();
    await rm(folder, { recursive: true });
  };
  return {
    folder,
    moment: moments.at(-1),
    stage,
    async add(line) {
      await file.write(`${JSON.stringify(line)}\n`);
      await file.datasync();
      hasWork = true;
    },
    async leave() {
      if (!hasWork) return remove();
      await file.close();
      await rm(path.join(folder, lockName), { force: true });
    },
    remove,
  };
}

/** How far an earlier run was, as far as its inputs and what it wrote are still the same. */
async function resumable(lines: readonly Line[], run: RunDescription, folder: string) {
  const before = lines.find((line) => 'run' in line)?.run;
  const stage = lines.findLast((line) => 'stage' in line)?.stage ?? 'encoding';
  const all = lines.flatMap((line) => ('moment' in line ? [line.moment] : []));
  if (!before || (all.length === 0 && stage === 'encoding'))
    return { moments: [], stage: 'encoding' as const };
  const refuse = (what: string): never => {
    throw new InputError(
      `${folder} is of a run that was interrupted and had ${what}; run that again, or remove the folder`,
    );
  };
  if (before.tokenizer !== run.tokenizer) refuse('another tokenizer');
  if (JSON.stringify(before.encoding) !== JSON.stringify(run.encoding)) refuse('other options');
  const same = sameInputs(before, run);
  const areAllSame = same === run.inputs.length && same === before.inputs.length;
  if (stage === 'moving' && !areAllSame) refuse('other inputs');
  if (stage !== 'encoding' && areAllSame) return { moments: all, stage };
  const moments = await soundMoments(
    folder,
    all.filter(({ next }) => next.file < same),
  );
  return { moments, stage: 'encoding' as const };
}

/** How many files at the beginning of the inputs are as they were. */
function sameInputs(before: RunDescription, now: RunDescription): number {
  const first = now.inputs.findIndex(
    (input, i) => JSON.stringify(input) !== JSON.stringify(before.inputs[i]),
  );
  return first < 0 ? now.inputs.length : first;
}

const lockName = 'process';

/** @throws InputError where another process is at work in the folder */
async function takeLock(folder: string): Promise<void> {
  const lock = path.join(folder, lockName);
  const id = Number(await readFile(lock, 'utf8').catch(() => ''));
  if (id > 0 && isRunning(id))
    throw new InputError(`${folder}: process ${id} is at work there; if it is no preprocess, remove ${lock}`);
  await writeFile(lock, String(process.pid));
}

/** Up to the first line that was not written whole. */
async function readLines(name: string): Promise<Line[]> {
  const lines: Line[] = [];
  if (!(await exists(name))) return lines;
  for (const line of (await readFile(name, 'utf8')).split('\n').slice(0, -1))
    try {
      lines.push(JSON.parse(line) as Line);
    } catch {
      break;
    }
  return lines;
}

async function rewrite(name: string, lines: readonly Line[]): Promise<FileHandle> {
  const file = await open(`${name}.new`, 'w');
  await file.write(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  await file.datasync();
  await rename(`${name}.new`, name);
  return file;
}

/** The moments up to the last one of which everything is still on disk as it was. */
async function soundMoments(folder: string, moments: readonly Moment[]): Promise<Moment[]> {
  let sound = moments.length;
  const count = moments[0]?.parts.length ?? 0;
  for (let key = 0; key < count; key++)
    for (const name of partNames) {
      const segments = moments.slice(0, sound).map(({ parts }) => parts[key]!.segments[name]);
      sound = await soundSegments(partPath(partsBase(folder, key), name), segments);
    }
  return moments.slice(0, sound);
}

async function soundSegments(
  file: string,
  segments: readonly { readonly size: number; readonly sha256: string }[],
): Promise<number> {
  const size = (await stat(file).catch(() => undefined))?.size ?? 0;
  let start = 0;
  for (const [i, segment] of segments.entries()) {
    if (segment.size > size) return i;
    const hash = createHash('sha256');
    if (segment.size > start)
      for await (const block of createReadStream(file, { start, end: segment.size - 1 }))
        hash.update(block as Buffer);
    if (hash.digest('hex') !== segment.sha256) return i;
    start = segment.size;
  }
  return segments.length;
}
