import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Runtime, RuntimeTensor, SessionOptions } from './runtime.js';

/** What `onnxruntime-node` and `onnxruntime-web` both export. */
export type NpmModule = Pick<typeof import('onnxruntime-node'), 'InferenceSession' | 'Tensor'>;

/** In onnxruntime-web all sessions have one stack and one table of files: what overlaps overwrites the other's. */
let last: Promise<unknown> = Promise.resolve();

function inTurn<Result>(call: () => Promise<Result>): Promise<Result> {
  const result = last.then(call).catch((error: unknown) => {
    // WebAssembly throws addresses
    throw error instanceof Error ? error : new Error('ONNX Runtime stopped: is there memory enough?');
  });
  last = result.catch(() => undefined);
  return result;
}

/** Tensors that have not been released. */
const usable = new WeakSet<RuntimeTensor>();

/**
 * ONNX Runtime through the interface of its npm packages. It refuses shared memory, and copies every output once more
 * than `openRuntime` does. Sessions are created and run one at a time; a signal stops what has not begun.
 *
 * @param settings of a session whose weights lie in that folder
 */
export function openNpmRuntime(
  { InferenceSession, Tensor }: NpmModule,
  settings: (weightsFolder: string | undefined) => InferenceSession.SessionOptions,
): Runtime {
  const toTensor = ({ data, shape }: Pick<RuntimeTensor, 'data' | 'shape'>): Tensor => {
    if (data instanceof Float32Array) return new Tensor('float32', data, shape);
    if (data instanceof Int32Array) return new Tensor('int32', data, shape);
    return new Tensor('bool', data, shape);
  };

  return {
    createTensor(data, shape) {
      // says whether they belong together
      toTensor({ data, shape });
      const tensor: RuntimeTensor = {
        data,
        shape,
        release: () => {
          usable.delete(tensor);
        },
      };
      usable.add(tensor);
      return tensor;
    },
    async createSession(model, inputNames, outputNames, options = {}) {
      const session = await inTurn(() => InferenceSession.create(model, withDefaults(options, settings)));
      let released = false;
      return {
        async run(inputs, outputs, signal) {
          if (released) throw new TypeError('this session has been released');
          requireUsable(inputNames, inputs);
          requireUsable(outputNames, outputs);
          const given = Object.fromEntries(inputNames.map((name, i) => [name, toTensor(inputs[i]!)]));
          const results = await inTurn(async () => {
            signal?.throwIfAborted();
            // onnxruntime-web does not fill tensors that are given for outputs
            return session.run(given, outputNames);
          });
          signal?.throwIfAborted();
          for (const [i, name] of outputNames.entries()) copy(name, results[name]!, outputs[i]!);
        },
        release() {
          if (released) return;
          released = true;
          void inTurn(() => session.release());
        },
      };
    },
  };
}

function withDefaults(
  { weightsFolder, prepack = true }: SessionOptions,
  settings: (weightsFolder: string | undefined) => InferenceSession.SessionOptions,
): InferenceSession.SessionOptions {
  const given = settings(weightsFolder);
  const session = {
    ...(given.extra?.session as object | undefined),
    ...(!prepack && { disable_prepacking: '1' }),
  };
  // errors are thrown, with the message that would be logged
  return { logSeverityLevel: 4, ...given, extra: { ...given.extra, session } };
}

function requireUsable(names: readonly string[], tensors: readonly RuntimeTensor[]): void {
  if (tensors.length !== names.length)
    throw new TypeError(`expected ${names.length} tensors (${names.join(', ')}), found ${tensors.length}`);
  if (!tensors.every((tensor) => usable.has(tensor)))
    throw new TypeError('a tensor has been released, or is of another runtime');
}

function copy(name: string, { data, dims }: Tensor, target: RuntimeTensor): void {
  if (dims.join() !== target.shape.join())
    throw new Error(`the output ${name}: expected [${target.shape.join(', ')}], found [${dims.join(', ')}]`);
  target.data.set(data as Uint8Array);
}
