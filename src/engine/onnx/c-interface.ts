import { isMainThread } from 'node:worker_threads';
import {
  callInBackground,
  check,
  create,
  cStrings,
  enlargeStacks,
  loadApi,
  type Api,
  type NativeFunction,
} from './library.js';
import { encodeModel } from './protobuf.js';
import type { HostArray, Runtime, RuntimeSession, RuntimeTensor, SessionOptions } from './runtime.js';

/** ORT_LOGGING_LEVEL_FATAL: errors are thrown, with the message that would be logged. */
const logLevel = 4;
/** ORT_ENABLE_ALL */
const optimizeAll = 99;
/** OrtAllocatorType of memory that is not ONNX Runtime's, and of memory that it keeps for the next run; OrtMemType */
const deviceAllocator = 0;
const arenaAllocator = 1;
const defaultMemory = 0;
/** ArenaExtendStrategy kSameAsRequested: not the next power of two */
const extendAsRequested = 1;
/** ONNXTensorElementDataType: float, int32, bool */
const elementTypes: Record<HostArray[typeof Symbol.toStringTag], number> = {
  Float32Array: 1,
  Int32Array: 6,
  Uint8Array: 9,
};

/** ONNX Runtime as this thread sees it. */
interface Environment {
  readonly api: Api;
  readonly environment: bigint;
  readonly memoryInfo: bigint;
  /** Threads of each session; undefined where all share the environment's. */
  readonly sessionThreads: number | undefined;
  readonly inBackground: boolean;
}

/** A native object: freed once, when it has been released and no run uses it any more. */
interface NativeObject {
  /** @throws TypeError when it has been released */
  readonly address: () => bigint;
  readonly startUse: () => void;
  readonly endUse: () => void;
  readonly release: () => void;
}

const natives = new WeakMap<RuntimeTensor, NativeObject>();

const forgotten = new FinalizationRegistry<NativeObject>((native) => {
  native.release();
});

let opened: Runtime | undefined;

/**
 * ONNX Runtime in Node, through the C interface of the shared library in `onnxruntime-node`. Tensors are the
 * caller's memory, be it shared or WebAssembly's; it must not be detached while a run uses it.
 *
 * A run blocks a worker thread until it is done, and is a promise on the main thread. What is released during a
 * run lives until its end; what is forgotten is released when it is collected, but not when its worker thread ends.
 *
 * @param options.threads the threads that compute a run, the calling one included. All sessions of the process share
 *   them, so that the first runtime to be opened decides.
 * @throws Error where onnxruntime-node has no library for this platform
 */
export function openRuntime({ threads }: { readonly threads: number }): Runtime {
  if (!Number.isInteger(threads) || threads < 1)
    throw new RangeError(`threads must be a positive integer, found ${threads}`);
  return (opened ??= createRuntime(createEnvironment(threads)));
}

function createRuntime(environment: Environment): Runtime {
  return {
    createTensor: (data, shape) => createTensor(environment, data, shape),
    createSession: async (model, inputNames, outputNames, options) => {
      const address = await createSession(environment, model, options);
      return wrapSession(environment, address, inputNames, outputNames);
    },
  };
}

function createTensor(
  { api, memoryInfo }: Environment,
  data: HostArray,
  shape: readonly number[],
): RuntimeTensor {
  const elements = shape.reduce((product, length) => product * length, 1);
  if (!shape.every((length) => Number.isInteger(length) && length >= 0) || elements !== data.length)
    throw new RangeError(`a tensor of shape [${shape.join(', ')}] cannot have ${data.length} elements`);
  const type = elementTypes[data[Symbol.toStringTag]] as number | undefined;
  if (type === undefined) throw new TypeError('a tensor cannot be made of this kind of array');

  // asking for the buffer moves a small array out of V8's heap, where it would not stay in place
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const dimensions = BigInt64Array.from(shape, BigInt);
  const values = [memoryInfo, bytes, bytes.byteLength, dimensions, shape.length, type];
  const address = create(api, api.createTensorWithDataAsOrtValue, values);
  const native = nativeObject(api.releaseValue, address, 'tensor', () => {
    if (data.length !== elements) throw new TypeError('the memory of this tensor was detached');
  });
  const tensor = { data, shape, release: native.release };
  natives.set(tensor, native);
  forgotten.register(tensor, native);
  return tensor;
}

async function createSession(
  { api, environment, sessionThreads, inBackground }: Environment,
  model: Uint8Array,
  sessionOptions?: SessionOptions,
) {
  const options = createSessionOptions(api, sessionThreads, sessionOptions);
  try {
    const out = new BigUint64Array(1);
    const values = [environment, model, model.byteLength, options, out];
    if (inBackground) await callInBackground(api, api.createSessionFromArray, values);
    else check(api, api.createSessionFromArray(...values));
    return out[0]!;
  } finally {
    api.releaseSessionOptions(options);
  }
}

function createSessionOptions(
  api: Api,
  sessionThreads: number | undefined,
  { weightsFolder, prepack = true, sharesMemory = false }: SessionOptions = {},
): bigint {
  const options = create(api, api.createSessionOptions, []);
  check(api, api.setSessionLogSeverityLevel(options, logLevel));
  // a second run of the same sizes would plan its memory as one block, and take it beside what the arena has
  check(api, api.disableMemPattern(options));
  check(api, api.setSessionGraphOptimizationLevel(options, optimizeAll));
  if (sessionThreads === undefined) check(api, api.disablePerSessionThreads(options));
  else {
    check(api, api.setIntraOpNumThreads(options, sessionThreads));
    // otherwise the pool of one session takes the cores from the next one for a while after a run
    check(api, api.addSessionConfigEntry(options, 'session.force_spinning_stop', '1'));
  }
  if (sharesMemory) check(api, api.addSessionConfigEntry(options, 'session.use_env_allocators', '1'));
  if (!prepack) check(api, api.addSessionConfigEntry(options, 'session.disable_prepacking', '1'));
  if (weightsFolder !== undefined)
    check(
      api,
      api.addSessionConfigEntry(
        options,
        'session.model_external_initializers_file_folder_path',
        weightsFolder,
      ),
    );
  return options;
}

function wrapSession(
  { api, inBackground }: Environment,
  address: bigint,
  inputNames: readonly string[],
  outputNames: readonly string[],
): RuntimeSession {
  const native = nativeObject(api.releaseSession, address, 'session');
  const inputStrings = cStrings(inputNames);
  const outputStrings = cStrings(outputNames);

  const runArguments = (
    inputs: readonly RuntimeTensor[],
    outputs: readonly RuntimeTensor[],
    runOptions: bigint | null,
  ) => {
    const inputPointers = tensorPointers('inputs', inputs, inputNames);
    const outputPointers = tensorPointers('outputs', outputs, outputNames);
    return [
      native.address(),
      runOptions,
      inputStrings.pointers,
      inputPointers,
      inputNames.length,
      outputStrings.pointers,
      outputNames.length,
      outputPointers,
    ];
  };
  const run = (inputs: readonly RuntimeTensor[], outputs: readonly RuntimeTensor[]) => {
    check(api, api.run(...runArguments(inputs, outputs, null)));
  };
  const runInBackground = async (
    inputs: readonly RuntimeTensor[],
    outputs: readonly RuntimeTensor[],
    signal?: AbortSignal,
  ) => {
    signal?.throwIfAborted();
    const runOptions = signal ? create(api, api.createRunOptions, []) : null;
    const terminate = () => {
      check(api, api.runOptionsSetTerminate(runOptions));
    };
    const values = runArguments(inputs, outputs, runOptions);
    const used = [native, ...[...inputs, ...outputs].map(nativeOf)];
    for (const object of used) object.startUse();
    signal?.addEventListener('abort', terminate);
    try {
      await callInBackground(api, api.run, values, inputStrings, outputStrings, ...inputs, ...outputs);
      signal?.throwIfAborted();
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', terminate);
      for (const object of used) object.endUse();
      if (runOptions !== null) api.releaseRunOptions(runOptions);
    }
  };
  // a worker thread has one rank, which waits for the run anyway; the main thread's event loop has to live
  const session = { run: inBackground ? runInBackground : run, release: native.release };
  forgotten.register(session, native);
  return session;
}

function tensorPointers(
  role: string,
  tensors: readonly RuntimeTensor[],
  names: readonly string[],
): BigUint64Array {
  if (tensors.length !== names.length)
    throw new TypeError(`expected ${names.length} ${role} (${names.join(', ')}), found ${tensors.length}`);
  const pointers = new BigUint64Array(tensors.length);
  for (let i = 0; i < tensors.length; i++) pointers[i] = nativeOf(tensors[i]!).address();
  return pointers;
}

function nativeOf(tensor: RuntimeTensor): NativeObject {
  const native = natives.get(tensor);
  if (!native) throw new TypeError('a tensor is of another runtime');
  return native;
}

function nativeObject(
  free: NativeFunction,
  address: bigint,
  what: string,
  checkUsable: () => void = () => undefined,
): NativeObject {
  let users = 0;
  let released = false;
  let freed = false;
  const freeUnused = () => {
    if (!released || freed || users > 0) return;
    freed = true;
    free(address);
  };
  return {
    address: () => {
      if (released) throw new TypeError(`this ${what} has been released`);
      checkUsable();
      return address;
    },
    startUse: () => {
      users++;
    },
    endUse: () => {
      users--;
      freeUnused();
    },
    release: () => {
      released = true;
      freeUnused();
    },
  };
}

function createEnvironment(threads: number): Environment {
  const inBackground = isMainThread && enlargeStacks();
  const api = loadApi();
  const options = create(api, api.createThreadingOptions, []);
  check(api, api.setGlobalIntraOpNumThreads(options, threads));
  // sessions run one node at a time
  check(api, api.setGlobalInterOpNumThreads(options, 1));
  // the environment is one for the process, and is never released: its threads end with the process
  const environment = create(api, api.createEnvWithGlobalThreadPools, [logLevel, 'megatron-bert', options]);
  api.releaseThreadingOptions(options);
  const memoryInfo = create(api, api.createCpuMemoryInfo, [deviceAllocator, defaultMemory]);
  registerSharedMemory(api, environment);
  const sessionThreads = hasThreadPool(api, environment) ? undefined : threads;
  return { api, environment, memoryInfo, sessionThreads, inBackground };
}

/** An arena for the sessions that share memory; each would have one of its own, and keep the most that it ever took. */
function registerSharedMemory(api: Api, environment: bigint): void {
  const arena = create(api, api.createCpuMemoryInfo, [arenaAllocator, defaultMemory]);
  const config = create(api, api.createArenaConfig, [0, extendAsRequested, -1, -1]);
  const refused = api.createAndRegisterAllocator(environment, arena, config);
  // another thread has made it
  if (refused !== null) api.releaseStatus(refused as bigint);
  api.releaseArenaConfig(config);
  api.releaseMemoryInfo(arena);
}

/** Whether other code of the process (`onnxruntime-node` itself, say) made the environment first, without threads. */
function hasThreadPool(api: Api, environment: bigint): boolean {
  const scalar = { type: 'float32', shape: [] } as const;
  const model = encodeModel({
    nodes: [{ type: 'Identity', inputs: ['x'], outputs: ['y'] }],
    initializers: [],
    inputs: [{ name: 'x', ...scalar }],
    outputs: [{ name: 'y', ...scalar }],
  });
  const options = createSessionOptions(api, undefined);
  try {
    api.releaseSession(
      create(api, api.createSessionFromArray, [environment, model, model.byteLength, options]),
    );
    return true;
  } catch {
    return false;
  } finally {
    api.releaseSessionOptions(options);
  }
}
