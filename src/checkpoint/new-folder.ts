import { lstat, mkdir, readdir, realpath, rename, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { InputError } from '../errors.js';

/**
 * Makes a folder so that, whenever the process stops, `target` is either as it was or complete: `fill` writes into
 * another folder beside it, which is renamed into place. What stopped processes left there is removed.
 *
 * @param overwrite whether a folder that is not empty may be replaced
 * @throws InputError where there is something else, or a link
 */
export async function makeFolder<T>(
  target: string,
  { overwrite }: { readonly overwrite: boolean },
  fill: (folder: string) => Promise<T>,
): Promise<T> {
  const full = path.resolve(target);
  const [above, name] = [path.dirname(full), path.basename(full)];
  await tidy(above, name);
  await requireFree(full, target, overwrite);
  const made = await mkdir(above, { recursive: true }).catch((error: unknown) => {
    throw new InputError(`${target}: cannot be written: ${(error as Error).message}`, { cause: error });
  });
  const own = path.join(above, `.${name}.incomplete-${process.pid}`);
  try {
    await mkdir(own);
  } catch (error) {
    throw new InputError(`${target}: cannot be written: ${(error as Error).message}`, { cause: error });
  }
  try {
    const result = await fill(own);
    await replace(full, own);
    return result;
  } catch (error) {
    await rm(own, { recursive: true, force: true });
    if (made !== undefined) await removeEmpty(above, made);
    throw error;
  }
}

/** Folders from `inner` up to `outer`, as far as nothing is in them. */
async function removeEmpty(inner: string, outer: string): Promise<void> {
  for (let folder = inner; folder.length >= outer.length; folder = path.dirname(folder))
    await rmdir(folder).catch(() => undefined);
}

async function requireFree(full: string, target: string, overwrite: boolean): Promise<void> {
  const status = await lstat(full).catch(() => undefined);
  if (!status) return;
  if (status.isSymbolicLink()) throw new InputError(`${target}: a link; give the folder that it leads to`);
  if (!status.isDirectory()) throw new InputError(`${target}: not a folder`);
  if (!overwrite && (await readdir(full)).length > 0)
    throw new InputError(`${target} is not empty; give another folder, or --overwrite-output-dir`);
}

/** Of processes that are no more: unfinished folders go, and one that was about to be replaced comes back. */
async function tidy(above: string, name: string): Promise<void> {
  const prefix = `.${name}.incomplete-`;
  for (const entry of await readdir(above).catch(() => [])) {
    const [, id, replaced] =
      /^(\d+)(-replaced)?$/.exec(entry.startsWith(prefix) ? entry.slice(prefix.length) : '') ?? [];
    if (id === undefined || isRunning(Number(id))) continue;
    const left = path.join(above, entry);
    const isLost = replaced !== undefined && !(await isThere(path.join(above, name)));
    if (isLost) await rename(left, path.join(above, name));
    else await rm(left, { recursive: true, force: true });
  }
}

const isThere = (name: string) =>
  lstat(name).then(
    () => true,
    () => false,
  );

export function isRunning(id: number): boolean {
  try {
    process.kill(id, 0);
    return id !== process.pid;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function replace(full: string, own: string): Promise<void> {
  if (!(await isThere(full))) return rename(own, full);
  if ((await readdir(full)).length === 0) {
    await rmdir(full);
    return rename(own, full);
  }
  const old = `${own}-replaced`;
  await rename(full, old);
  await rename(own, full);
  await rm(old, { recursive: true });
}

/** Whether two paths are the same folder or one is in the other. */
export async function areNested(a: string, b: string): Promise<boolean> {
  const [first, second] = [await realPlace(path.resolve(a)), await realPlace(path.resolve(b))];
  const contains = (outer: string, inner: string) => {
    const relative = path.relative(outer, inner);
    return relative.split(path.sep)[0] !== '..' && !path.isAbsolute(relative);
  };
  return contains(first, second) || contains(second, first);
}

/** Where a path leads to, or would if it were there: the folders above it may be links. */
async function realPlace(full: string): Promise<string> {
  const above = path.dirname(full);
  return realpath(full).catch(async () =>
    above === full ? full : path.join(await realPlace(above), path.basename(full)),
  );
}
