import koffi from 'koffi';

/** RTLD_NOW */
const resolveNow = 2;

/**
 * Takes one more reference to a library, for good: koffi drops its own with the worker thread that took it, but the
 * library's own threads go on, and would run code that is no longer there.
 */
export function keepLoaded(path: string): void {
  if (process.platform === 'win32')
    koffi.load('kernel32.dll').func('LoadLibraryW', 'void *', ['str16'])(path);
  else koffi.load(null).func('dlopen', 'void *', ['str', 'int'])(path, resolveNow);
}
