import { Worker, type Transferable } from 'node:worker_threads';

/** What a thread answers to a job. */
export type Answer<Result> =
  | { readonly kind: 'ready' }
  | { readonly kind: 'result'; readonly result: Result }
  | { readonly kind: 'error'; readonly error: Error };

/** Threads of one module, each of which does one job at a time. */
export interface Threads<Job, Result> {
  /** Waits for a thread that is free. @param transfer memory of the job that is handed over */
  run(job: Job, transfer: Transferable[]): Promise<Result>;
  close(): Promise<void>;
}

/** Starts threads, and waits until all have said that they are ready. @throws what one of them answers instead */
export async function startThreads<Job, Result>(
  module: URL,
  count: number,
  workerData: unknown,
): Promise<Threads<Job, Result>> {
  const workers = Array.from({ length: count }, () => new Worker(module, { workerData }));
  const free: Worker[] = [];
  const waiting: ((worker: Worker) => void)[] = [];
  const release = (worker: Worker) => {
    const next = waiting.shift();
    if (next) next(worker);
    else free.push(worker);
  };
  const close = async () => {
    await Promise.all(workers.map((worker) => worker.terminate()));
  };
  try {
    await Promise.all(workers.map((worker) => answerOf(worker)));
  } catch (error) {
    await close();
    throw error;
  }
  workers.forEach(release);
  return {
    async run(job, transfer) {
      const worker = free.pop() ?? (await new Promise<Worker>((resolve) => waiting.push(resolve)));
      const answer = answerOf<Result>(worker);
      worker.postMessage(job, transfer);
      const result = await answer;
      release(worker);
      return result!;
    },
    close,
  };
}

/** The next thing that a thread says. */
function answerOf<Result>(worker: Worker): Promise<Result | undefined> {
  return new Promise((resolve, reject) => {
    const done = (settle: () => void) => {
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      settle();
    };
    const onMessage = (answer: Answer<Result>) => {
      done(() => {
        if (answer.kind === 'error') reject(answer.error);
        else resolve(answer.kind === 'result' ? answer.result : undefined);
      });
    };
    const onError = (error: Error) => {
      done(() => {
        reject(error);
      });
    };
    const onExit = (code: number) => {
      done(() => {
        reject(new Error(`a thread ended with code ${code} before it was done`));
      });
    };
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
  });
}

/**
 * Does something to each of many items, several at once, and gives the results in the order of the items.
 *
 * @param most items that are taken and whose results are not yet wanted
 */
export async function* mapInOrder<Item, Result>(
  items: AsyncIterable<Item>,
  most: number,
  run: (item: Item) => Promise<Result>,
): AsyncGenerator<readonly [Item, Result]> {
  const under: Promise<readonly [Item, Result]>[] = [];
  for await (const item of items) {
    const result = run(item).then((value) => [item, value] as const);
    // its turn to be thrown comes
    result.catch(() => undefined);
    under.push(result);
    if (under.length >= most) yield await under.shift()!;
  }
  while (under.length > 0) yield await under.shift()!;
}
