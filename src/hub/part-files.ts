/** Files that are not whole yet: beside where they will be, with names that say of what version, and whose they are. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { threadId } from 'node:worker_threads';
import { isRunning } from '../checkpoint/new-folder.js';
import { InputError } from '../errors.js';

export interface Part {
  readonly file: string;
  /** Lets others take it over. */
  readonly release: () => void;
}

/** Parts that this thread works on. */
const ownParts = new Set<string>();
let started = 0;

/**
 * A name for what `target` is to be. What nobody works on any more is taken over, or removed.
 *
 * @param version what tells one content of the target from another; undefined where nothing does
 */
export async function claimPart(target: string, version: string | undefined): Promise<Part> {
  const [folder, base] = [path.dirname(target), path.basename(target)];
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw new InputError(`${folder}: cannot be written: ${(error as Error).message}`, { cause: error });
  });
  const digits = createHash('sha256')
    .update(version ?? '')
    .digest('hex')
    .slice(0, 16);
  const prefix = `.${base}.${digits}.incomplete-`;
  const own = path.join(folder, `${prefix}${process.pid}-${threadId}-${started++}`);
  ownParts.add(own);
  for (const entry of await readdir(folder)) {
    const file = path.join(folder, entry);
    if (!entry.startsWith(`.${base}.`) || !isLeft(file)) continue;
    // one of several processes gets it
    if (entry.startsWith(prefix) && version !== undefined) await rename(file, own).catch(() => undefined);
    else await rm(file, { force: true });
  }
  return { file: own, release: () => ownParts.delete(own) };
}

function isLeft(file: string): boolean {
  const [, id, thread] = /\.[0-9a-f]{16}\.incomplete-(\d+)-(\d+)(?:-\d+)?$/.exec(file) ?? [];
  if (id === undefined || ownParts.has(file)) return false;
  return Number(id) === process.pid ? Number(thread) === threadId : !isRunning(Number(id));
}
