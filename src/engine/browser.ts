/** The engine in a web page. */
import type { Engine } from './engine.js';
import { createOnnxEngine } from './onnx/engine.js';
import { openNpmRuntime } from './onnx/npm-binding.js';
import type { Runtime } from './onnx/runtime.js';

/** What is used of https://www.w3.org/TR/webgpu/, which is typed with the browser's interfaces only. */
const { navigator } = globalThis as {
  readonly navigator?: { readonly gpu?: { requestAdapter(): Promise<object | null> } };
};

export type BrowserDevice = 'webgpu' | 'wasm';

export interface WeightFile {
  /** As weights name it. */
  readonly path: string;
  readonly data: Uint8Array;
}

export interface BrowserEngineOptions {
  /** Of WebAssembly. A page has more than one only where it is isolated from other origins. */
  readonly threads: number | undefined;
  /** The files in a folder that weights lie in. */
  readonly filesIn: (folder: string) => readonly WeightFile[];
  readonly warn: (message: string) => void;
}

let device: Promise<BrowserDevice> | undefined;

/** What a page computes with: a graphics processor where the browser gives one that works, or else WebAssembly. */
export const findDevice = (): Promise<BrowserDevice> =>
  (device ??= (async () => {
    const adapter = await navigator?.gpu?.requestAdapter().catch(() => null);
    return adapter ? 'webgpu' : 'wasm';
  })());

/** ONNX Runtime for what the page can compute with. */
export async function openEngine(options: BrowserEngineOptions): Promise<Engine> {
  return createOnnxEngine(
    (await findDevice()) === 'webgpu' ? await openWithFallback(options) : await openOn('wasm', options),
  );
}

async function openOn(device: BrowserDevice, { threads, filesIn }: BrowserEngineOptions): Promise<Runtime> {
  // the one without WebGPU is half as large
  const ort = await (device === 'webgpu' ? import('onnxruntime-web/webgpu') : import('onnxruntime-web/wasm'));
  if (threads !== undefined) ort.env.wasm.numThreads = threads;
  return openNpmRuntime(ort, (folder) => ({
    executionProviders: device === 'webgpu' ? ['webgpu', 'wasm'] : ['wasm'],
    externalData: folder === undefined ? [] : filesIn(folder),
  }));
}

/** WebGPU until a session cannot be created with it. */
async function openWithFallback(options: BrowserEngineOptions): Promise<Runtime> {
  const gpu = await openOn('webgpu', options);
  let other: Promise<Runtime> | undefined;
  return {
    createTensor: (data, shape) => gpu.createTensor(data, shape),
    async createSession(...model) {
      try {
        if (!other) return await gpu.createSession(...model);
      } catch (error) {
        if (!other) options.warn(`WebGPU fails, WebAssembly takes its place: ${(error as Error).message}`);
      }
      device = Promise.resolve('wasm');
      // its own module: what failed may have left the other's memory in any state
      other ??= openOn('wasm', options);
      return (await other).createSession(...model);
    },
  };
}
