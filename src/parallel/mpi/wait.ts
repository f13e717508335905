/** Waiting for other processes: at once where they are near, without a burning processor where they are not. */
import koffi from 'koffi';

/** Looks before the clock is asked. */
const looks = 50;
/** Milliseconds during which a rank only lets others have the processor, between looks. */
const alertMilliseconds = 20;
/** Later it rests for this part of what it has waited, so that what it waits for is not seen much later. */
const restPart = 0.01;
const longestRest = 1;

const bell = new Int32Array(new SharedArrayBuffer(4));

/** Stops this thread for a while. */
export const rest = (milliseconds: number): void => {
  Atomics.wait(bell, 0, 0, milliseconds);
};

/** A function of the C library; on Windows, where it has none of them, nothing. */
const systemFunction = (name: string, values: string[]): ((...values: number[]) => unknown) =>
  process.platform === 'win32'
    ? () => undefined
    : (koffi.load(null).func(name, 'int', values) as (...values: number[]) => unknown);

/** Lets another thread have this processor, where there are more of them than processors. */
const yieldProcessor = systemFunction('sched_yield', []);
/** Sets after how many seconds the system ends this process (SIGALRM), or that it does not. */
const alarm = systemFunction('alarm', ['unsigned int']);

/**
 * Calls what MPI has in a blocking form only, and may not return from where another rank does not come. When it takes
 * longer than so many seconds the system ends this process, and so the launcher all others.
 */
export function callWithin<Result>(seconds: number, call: () => Result): Result {
  alarm(Math.max(1, Math.round(seconds)));
  try {
    return call();
  } finally {
    alarm(0);
  }
}

/**
 * Looks until something is true.
 *
 * @param isDone lets MPI go on with what is under way, too
 * @param late makes what is thrown after so many seconds
 */
export function waitUntil(isDone: () => boolean, timeoutSeconds: number, late: () => Error): void {
  for (let i = 0; i < looks; i++) if (isDone()) return;
  const started = performance.now();
  while (!isDone()) {
    const waited = performance.now() - started;
    if (waited > 1000 * timeoutSeconds) throw late();
    if (waited < alertMilliseconds) yieldProcessor();
    else rest(Math.min(longestRest, restPart * waited));
  }
}
