export interface TimeLimit {
  readonly seconds: number;
  /** Of the error where it is exceeded. */
  readonly message: string;
}

/** More milliseconds are none to a timer. */
const longest = 2 ** 31 - 1;

/**
 * Runs what must not be silent for longer than a time.
 *
 * @param outer ends it too
 * @param run is given a signal that ends at either, and what begins the time anew
 */
export async function withTimeLimit<T>(
  limit: TimeLimit | undefined,
  outer: AbortSignal | undefined,
  run: (signal: AbortSignal, heard: () => void) => Promise<T>,
): Promise<T> {
  outer?.throwIfAborted();
  const inner = new AbortController();
  const end = () => {
    inner.abort(outer!.reason);
  };
  const timer =
    limit &&
    setTimeout(
      () => {
        inner.abort(new Error(limit.message));
      },
      Math.min(1000 * limit.seconds, longest),
    );
  outer?.addEventListener('abort', end);
  try {
    return await run(inner.signal, () => timer?.refresh());
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener('abort', end);
  }
}
