import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { HostArray, Runtime, RuntimeTensor } from './runtime.js';

/**
 * ONNX Runtime through the interface that `onnxruntime-node` and `onnxruntime-web` share. It refuses shared memory,
 * and copies every output once more than `openRuntime` does: it is what tests compare with.
 *
 * @param options.threads the threads that compute a run; each session has its own
 */
export async function openNpmRuntime({ threads }: { readonly threads: number }): Promise<Runtime> {
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  const tensors = new WeakMap<RuntimeTensor, Tensor>();

  const toTensor = (data: HostArray, shape: readonly number[]): Tensor => {
    if (data instanceof Float32Array) return new Tensor('float32', data, shape);
    if (data instanceof Int32Array) return new Tensor('int32', data, shape);
    return new Tensor('bool', data, shape);
  };

  const byName = (names: readonly string[], values: readonly RuntimeTensor[]): InferenceSession.FeedsType => {
    if (values.length !== names.length)
      throw new TypeError(`expected ${names.length} tensors (${names.join(', ')}), found ${values.length}`);
    return Object.fromEntries(
      names.map((name, i) => {
        const tensor = tensors.get(values[i]!);
        if (!tensor) throw new TypeError('a tensor has been released, or is of another runtime');
        return [name, tensor];
      }),
    );
  };

  return {
    createTensor(data, shape) {
      const tensor: RuntimeTensor = {
        data,
        shape,
        release: () => {
          tensors.delete(tensor);
        },
      };
      tensors.set(tensor, toTensor(data, shape));
      return tensor;
    },
    async createSession(model, inputNames, outputNames) {
      const session = await InferenceSession.create(model, {
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        logSeverityLevel: 4,
        // otherwise the pool of one session takes the cores from the next one for a while after a run
        extra: { session: { force_spinning_stop: '1' } },
      });
      let released = false;
      return {
        async run(inputs, outputs) {
          if (released) throw new TypeError('this session has been released');
          await session.run(byName(inputNames, inputs), byName(outputNames, outputs));
        },
        release() {
          if (released) return;
          released = true;
          void session.release();
        },
      };
    },
  };
}
