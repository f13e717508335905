import { InputError } from '../errors.js';

/** Of every pipeline's call. */
export interface CallOptions {
  /** Inputs that are computed together; 32 by default. */
  readonly batch_size?: number;
  /** Stops the computation. */
  readonly signal?: AbortSignal;
}

/** Results of some inputs, in order; an error stands for an input that cannot be used. */
export type RunBatch<Input, Result> = (inputs: readonly Input[]) => Promise<(Result | InputError)[]>;

const usualBatch = 32;

/**
 * The results of inputs, in order. Only one batch of them is in memory.
 *
 * @throws InputError for what is wrong with all of them; what is wrong with one of them is its result
 */
export async function* settle<Input, Result>(
  inputs: Iterable<Input> | AsyncIterable<Input>,
  run: RunBatch<Input, Result>,
  { batch_size = usualBatch, signal }: CallOptions,
): AsyncGenerator<PromiseSettledResult<Result>, void> {
  if (!Number.isInteger(batch_size) || batch_size < 1)
    throw new InputError(`batch_size: expected a positive integer, found ${batch_size}`);
  let batch: Input[] = [];
  async function* results(): AsyncGenerator<PromiseSettledResult<Result>, void> {
    signal?.throwIfAborted();
    const found = await run(batch);
    batch = [];
    for (const one of found)
      yield one instanceof InputError
        ? { status: 'rejected', reason: one }
        : { status: 'fulfilled', value: one };
  }
  for await (const input of inputs) {
    batch.push(input);
    if (batch.length === batch_size) yield* results();
  }
  if (batch.length > 0) yield* results();
}

/** The values of settled results. @throws InputError saying which of several inputs cannot be used */
export async function* values<Result>(
  settled: AsyncIterable<PromiseSettledResult<Result>>,
): AsyncGenerator<Result, void> {
  let number = 0;
  for await (const one of settled) {
    number++;
    if (one.status === 'rejected')
      throw new InputError(`input ${number}: ${(one.reason as InputError).message}`, { cause: one.reason });
    yield one.value;
  }
}
