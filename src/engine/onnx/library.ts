import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import koffi, { type KoffiFunc } from 'koffi';
import { keepLoaded } from '../../native-library.js';

const pointer = 'void *';
/** A pointer to an OrtStatus, which says what went wrong; NULL where nothing did. */
const status = pointer;

/**
 * The functions that are used of ONNX Runtime's table of functions (struct OrtApi): place, result, arguments. The
 * table is only ever appended to: see ort_api_1_to_17 and the assertions below it in
 * https://github.com/microsoft/onnxruntime/blob/v1.17.0/onnxruntime/core/session/onnxruntime_c_api.cc
 */
const functions = {
  getErrorMessage: [2, 'str', pointer],
  createSessionFromArray: [8, status, pointer, pointer, 'size_t', pointer, pointer],
  run: [9, status, pointer, pointer, pointer, pointer, 'size_t', pointer, 'size_t', pointer],
  createSessionOptions: [10, status, pointer],
  disableMemPattern: [17, status, pointer],
  setSessionLogSeverityLevel: [22, status, pointer, 'int'],
  setSessionGraphOptimizationLevel: [23, status, pointer, 'int'],
  setIntraOpNumThreads: [24, status, pointer, 'int'],
  createRunOptions: [39, status, pointer],
  runOptionsSetTerminate: [46, status, pointer],
  createTensorWithDataAsOrtValue: [49, status, pointer, pointer, 'size_t', pointer, 'size_t', 'int', pointer],
  createCpuMemoryInfo: [69, status, 'int', 'int', pointer],
  releaseMemoryInfo: [94, 'void', pointer],
  releaseStatus: [93, 'void', pointer],
  releaseSession: [95, 'void', pointer],
  releaseValue: [96, 'void', pointer],
  releaseRunOptions: [97, 'void', pointer],
  releaseSessionOptions: [100, 'void', pointer],
  createEnvWithGlobalThreadPools: [119, status, 'int', 'str', pointer, pointer],
  disablePerSessionThreads: [120, status, pointer],
  createThreadingOptions: [121, status, pointer],
  releaseThreadingOptions: [122, 'void', pointer],
  addSessionConfigEntry: [130, status, pointer, 'str', 'str'],
  createAndRegisterAllocator: [144, status, pointer, pointer, pointer],
  setGlobalIntraOpNumThreads: [147, status, pointer, 'int'],
  setGlobalInterOpNumThreads: [148, status, pointer, 'int'],
  createArenaConfig: [156, status, 'size_t', 'int', 'int', 'int', pointer],
  releaseArenaConfig: [157, 'void', pointer],
} as const;
const apiVersion = 20;
const tableLength = 160;

/** Addresses are bigints; a view stands for the address of its memory, null for NULL. */
export type NativeArgument = bigint | number | string | ArrayBufferView | null;
export type NativeFunction = KoffiFunc<(...values: NativeArgument[]) => unknown>;
export type Api = Readonly<Record<keyof typeof functions, NativeFunction>>;

/** koffi gives native code a stack of its own, on other threads only 128 KiB: about what one GEMM takes. */
const stackBytes = 8 * 2 ** 20;

/** What native code may still read in another thread: nothing that is named here is collected. */
const inUse = new Set<unknown>();

/**
 * Makes calls in the background possible.
 *
 * @returns false where other code has already loaded a library through koffi, which fixes the size of its stacks
 */
export function enlargeStacks(): boolean {
  try {
    koffi.config({ sync_stack_size: stackBytes, async_stack_size: stackBytes });
    return true;
  } catch {
    return koffi.config().async_stack_size! >= stackBytes;
  }
}

/**
 * The C interface of the ONNX Runtime that is part of `onnxruntime-node`.
 *
 * @throws Error where it has no library for this platform
 */
export function loadApi(): Api {
  const path = libraryPath();
  keepLoaded(path);
  const base = koffi.load(path).func('OrtGetApiBase', pointer, [])() as bigint;
  const [getApi] = koffi.decode(base, koffi.array(pointer, 1)) as [bigint];
  const table = koffi.call(getApi, koffi.proto(pointer, ['uint32_t']), apiVersion) as bigint | null;
  if (table === null) throw new Error(`${path} is not ONNX Runtime 1.${apiVersion} or later`);
  const addresses = koffi.decode(table, koffi.array(pointer, tableLength)) as bigint[];
  const entries = Object.entries(functions).map(([name, [place, result, ...values]]) => [
    name,
    koffi.decode(addresses[place], koffi.proto(result, values)) as unknown,
  ]);
  return Object.fromEntries(entries) as Api;
}

function libraryPath(): string {
  const names: Partial<Record<NodeJS.Platform, string>> = {
    linux: 'libonnxruntime.so.1',
    darwin: 'libonnxruntime.1.dylib',
    win32: 'onnxruntime.dll',
  };
  const { platform, arch } = process;
  const root = join(dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json')), 'bin');
  const path = readdirSync(root)
    .map((napiVersion) => join(root, napiVersion, platform, arch, names[platform] ?? ''))
    .find((candidate) => existsSync(candidate));
  if (!path) throw new Error(`onnxruntime-node has no library for ${platform} ${arch} (in ${root})`);
  return path;
}

/** @throws Error with ONNX Runtime's message where a function failed */
export function check(api: Api, result: unknown): void {
  if (result === null) return;
  const message = api.getErrorMessage(result as bigint) as string;
  api.releaseStatus(result as bigint);
  throw new Error(message);
}

/** Calls a function whose last argument is where it writes the address of what it made. */
export function create(api: Api, call: NativeFunction, values: readonly NativeArgument[]): bigint {
  const out = new BigUint64Array(1);
  check(api, call(...values, out));
  return out[0]!;
}

/** Calls a function in a thread of libuv's pool, so that this thread's event loop lives. */
export async function callInBackground(
  api: Api,
  call: NativeFunction,
  values: NativeArgument[],
  ...alsoUsed: unknown[]
): Promise<void> {
  const used = [values, alsoUsed];
  inUse.add(used);
  try {
    const result = await new Promise((resolve, reject) => {
      call.async(...values, (error: Error | null, value: unknown) => {
        if (error) reject(error);
        else resolve(value);
      });
    });
    check(api, result);
  } finally {
    inUse.delete(used);
  }
}

/** Strings as C's `const char *const *`, and the memory that it points into. */
export function cStrings(strings: readonly string[]): {
  readonly pointers: BigUint64Array;
  readonly text: Uint8Array;
} {
  const text = Buffer.from(strings.map((string) => `${string}\0`).join(''));
  const pointers = new BigUint64Array(strings.length);
  let next = koffi.address(text);
  strings.forEach((string, i) => {
    pointers[i] = next;
    next += BigInt(Buffer.byteLength(string) + 1);
  });
  return { pointers, text };
}
