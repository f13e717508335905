/**
 * All that the engine needs of ONNX Runtime. `c-interface.ts` implements it in Node over the shared
 * library; the npm binding (`npm-binding.ts`) is the reference that tests compare with.
 */
export type HostArray = Float32Array | Int32Array | Uint8Array;

/** ONNX Runtime's view of memory that the caller owns. Keeps that memory alive. */
export interface RuntimeTensor {
  readonly data: HostArray;
  readonly shape: readonly number[];
  release(): void;
}

export interface RuntimeSession {
  /**
   * Computes the outputs in place. The order of tensors is that of the names given to `createSession`.
   * An input may be the same memory as an output where the model only reads it elementwise.
   * @param signal stops the run where it does not block the thread
   * @throws Error with ONNX Runtime's message; TypeError where tensors are released or their number is wrong;
   *   the signal's reason when it aborts
   */
  run(
    inputs: readonly RuntimeTensor[],
    outputs: readonly RuntimeTensor[],
    signal?: AbortSignal,
  ): void | Promise<void>;
  release(): void;
}

export interface SessionOptions {
  /** Where the files lie that the model's tensors are parts of. */
  readonly weightsFolder?: string | undefined;
  /** Copies constant matrices into the order in which they are multiplied. */
  readonly prepack?: boolean;
  /** Computes in memory that all such sessions of the process share, and none gives back. */
  readonly sharesMemory?: boolean;
}

export interface Runtime {
  /** `Uint8Array` is bool (one byte each). */
  createTensor(data: HostArray, shape: readonly number[]): RuntimeTensor;
  createSession(
    model: Uint8Array,
    inputNames: readonly string[],
    outputNames: readonly string[],
    options?: SessionOptions,
  ): Promise<RuntimeSession>;
}
