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
  await requireFree(full, target, overwrite);
  await mkdir(above, { recursive: true }).catch((error: unknown) => {
    throw new InputError(`${target}: cannot be written: ${(error as Error).message}`, { cause: error });
  });
  await removeLeftovers(above, name);
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
    throw error;
  }
}

async function requireFree(full: string, target: string, overwrite: boolean): Promise<void> {
  const status = await lstat(full).catch(() => undefined);
  if (!status) return;
  if (status.isSymbolicLink()) throw new InputError(`${target}: a link; give the folder that it leads to`);
  if (!status.isDirectory()) throw new InputError(`${target}: not a folder`);
  if (!overwrite && (await readdir(full)).length > 0)
    throw new InputError(`${target} is not empty; give another folder, or --overwrite-output-dir`);
}

/** Only of processes that are no more. */
async function removeLeftovers(above: string, name: string): Promise<void> {
  const prefix = `.${name}.incomplete-`;
  for (const entry of await readdir(above)) {
    const id = entry.startsWith(prefix) ? Number(entry.slice(prefix.length)) : NaN;
    if (Number.isInteger(id) && !isRunning(id))
      await rm(path.join(above, entry), { recursive: true, force: true });
  }
}

function isRunning(id: number): boolean {
  try {
    process.kill(id, 0);
    return id !== process.pid;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function replace(full: string, own: string): Promise<void> {
  const isThere = await lstat(full).then(
    () => true,
    () => false,
  );
  if (!isThere) return rename(own, full);
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
  const real = (name: string) => realpath(name).catch(() => path.resolve(name));
  const [first, second] = [await real(a), await real(b)];
  const contains = (outer: string, inner: string) => {
    const relative = path.relative(outer, inner);
    return !relative.startsWith('..') && !path.isAbsolute(relative);
  };
  return contains(first, second) || contains(second, first);
}
