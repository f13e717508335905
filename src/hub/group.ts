/** Runs a task; its signal ends where the outer one does, or another task of the group fails. */
export type RunInGroup = <T>(task: (signal: AbortSignal) => Promise<T>) => Promise<T>;

/**
 * Tasks that are wanted together: so many at a time, and where one fails the others that run or wait are given up with
 * its error. What is begun after that is of a new group.
 */
export function createGroup(most: number, outer?: AbortSignal): RunInGroup {
  let group = new AbortController();
  let [running, members] = [0, 0];
  const waiting: (() => void)[] = [];
  const giveUp = (reason: unknown) => {
    group.abort(reason);
    group = new AbortController();
  };
  const end = () => {
    giveUp(outer!.reason);
  };

  return async (task) => {
    outer?.throwIfAborted();
    const { signal } = group;
    if (members++ === 0) outer?.addEventListener('abort', end);
    try {
      if (running === most) await new Promise<void>((resolve) => waiting.push(resolve));
      else running++;
      try {
        signal.throwIfAborted();
        return await task(signal);
      } finally {
        // the place goes to the one that waits longest
        const next = waiting.shift();
        if (next) next();
        else running--;
      }
    } catch (error) {
      if (!signal.aborted) giveUp(error);
      throw error;
    } finally {
      if (--members === 0) outer?.removeEventListener('abort', end);
    }
  };
}
