import * as nodeModule from 'onnxruntime-node';
import * as webModule from 'onnxruntime-web';
import { describe, expect, test } from 'vitest';
import { openRuntime } from './c-interface.js';
import { openNpmRuntime } from './npm-binding.js';
import { encodeModel, type OnnxNode, type OnnxType } from './protobuf.js';
import type { HostArray, Runtime } from './runtime.js';
import { difference } from '../../../test/support/fixture.js';

interface Values {
  readonly name: string;
  readonly type: Exclude<OnnxType, 'int64'>;
  readonly shape: readonly number[];
}

/** Numbers in [-2, 2) that do not repeat soon, integers in [0, 8), or 0 and 1. */
function fill({ type, shape }: Values, seed: number): HostArray {
  const length = shape.reduce((product, size) => product * size, 1);
  const numbers = Array.from({ length }, (_, i) => ((i + seed) * 0.6180339887) % 1);
  if (type === 'float32') return Float32Array.from(numbers, (x) => 4 * x - 2);
  if (type === 'int32') return Int32Array.from(numbers, (x) => 8 * x);
  return Uint8Array.from(numbers, (x) => (x < 0.5 ? 1 : 0));
}

async function compute(
  runtime: Runtime,
  nodes: readonly OnnxNode[],
  inputs: readonly Values[],
  outputs: readonly Values[],
) {
  const session = await runtime.createSession(
    encodeModel({ nodes, initializers: [], inputs, outputs }),
    inputs.map(({ name }) => name),
    outputs.map(({ name }) => name),
  );
  const inputTensors = inputs.map((input, i) => runtime.createTensor(fill(input, i), input.shape));
  const outputTensors = outputs.map((output) => runtime.createTensor(fill(output, 99), output.shape));
  await session.run(inputTensors, outputTensors);
  for (const owned of [session, ...inputTensors, ...outputTensors]) owned.release();
  return outputTensors.map(({ data }) => data);
}

const matrix = (name: string, ...shape: number[]): Values => ({ name, type: 'float32', shape });

const models: Record<string, { nodes: OnnxNode[]; inputs: Values[]; outputs: Values[] }> = {
  Gemm: {
    nodes: [{ type: 'Gemm', inputs: ['x', 'w', 'b'], outputs: ['y'], attributes: { transB: { int: 1 } } }],
    inputs: [matrix('x', 5, 7), matrix('w', 3, 7), matrix('b', 3)],
    outputs: [matrix('y', 5, 3)],
  },
  'LayerNormalization, with three outputs': {
    nodes: [
      {
        type: 'LayerNormalization',
        inputs: ['x', 'scale', 'bias'],
        outputs: ['y', 'mean', 'deviation'],
        attributes: { axis: { int: -1 }, epsilon: { float: 1e-12 } },
      },
    ],
    inputs: [matrix('x', 4, 16), matrix('scale', 16), matrix('bias', 16)],
    outputs: [matrix('deviation', 4, 1), matrix('y', 4, 16), matrix('mean', 4, 1)],
  },
  Softmax: {
    nodes: [{ type: 'Softmax', inputs: ['x'], outputs: ['y'], attributes: { axis: { int: -1 } } }],
    inputs: [matrix('x', 2, 3, 9)],
    outputs: [matrix('y', 2, 3, 9)],
  },
  'int32 indices and bool conditions, in and out': {
    nodes: [
      { type: 'Gather', inputs: ['table', 'ids'], outputs: ['rows'] },
      { type: 'Where', inputs: ['condition', 'rows', 'other'], outputs: ['chosen'] },
      { type: 'Less', inputs: ['chosen', 'rows'], outputs: ['less'] },
      { type: 'Add', inputs: ['ids', 'ids'], outputs: ['twice'] },
    ],
    inputs: [
      matrix('table', 8, 2),
      { name: 'ids', type: 'int32', shape: [6] },
      { name: 'condition', type: 'bool', shape: [6, 1] },
      matrix('other', 6, 2),
    ],
    outputs: [
      matrix('chosen', 6, 2),
      { name: 'less', type: 'bool', shape: [6, 2] },
      { name: 'twice', type: 'int32', shape: [6] },
    ],
  },
};

webModule.env.wasm.numThreads = 1;

// what the second gives in Node is what it gives in a page
const runtimes = {
  'onnxruntime-node': openNpmRuntime(nodeModule, () => ({ intraOpNumThreads: 2 })),
  'onnxruntime-web': openNpmRuntime(webModule, () => ({ executionProviders: ['wasm'] })),
};

test('sessions with files that are made and run side by side do not disturb each other', async () => {
  const runtime = openNpmRuntime(webModule, (folder) => ({
    externalData: [{ path: 'weights', data: new Blob([new Float32Array([0, Number(folder), 7])]) }],
  }));
  const model = encodeModel({
    nodes: [{ type: 'Add', inputs: ['x', 'w'], outputs: ['y'] }],
    initializers: [
      { ...matrix('w', 2), type: 'float32', data: { location: 'weights', offset: 4, byteLength: 8 } },
    ],
    inputs: [matrix('x', 2)],
    outputs: [matrix('y', 2)],
  });
  const results = await Promise.all(
    Array.from({ length: 8 }, async (_, i) => {
      const session = await runtime.createSession(model, ['x'], ['y'], { weightsFolder: String(100 * i) });
      const x = runtime.createTensor(new Float32Array([i, i]), [2]);
      const y = runtime.createTensor(new Float32Array(2), [2]);
      await session.run([x], [y]);
      return [...y.data];
    }),
  );
  expect(results).toEqual(Array.from({ length: 8 }, (_, i) => [101 * i, 7 + i]));
});

describe.each(Object.entries(runtimes))('%s', (_, runtime) => {
  test.each(Object.entries(models))(
    'computes %s as the C interface does',
    async (_, { nodes, inputs, outputs }) => {
      const expected = await compute(openRuntime({ threads: 2 }), nodes, inputs, outputs);
      const found = await compute(runtime, nodes, inputs, outputs);
      found.forEach((data, i) => {
        expect(data.constructor).toBe(expected[i]!.constructor);
        expect(difference(data, expected[i]!)).toBeLessThan(1e-6);
      });
      expect(found).not.toEqual(outputs.map((output) => fill(output, 99)));
    },
  );

  const pair = matrix('x', 2);
  const relu = encodeModel({
    nodes: [{ type: 'Relu', inputs: ['x'], outputs: ['y'] }],
    initializers: [],
    inputs: [pair],
    outputs: [matrix('y', 2)],
  });

  test('misuse throws', async () => {
    const session = await runtime.createSession(relu, ['x'], ['y']);
    const two = runtime.createTensor(new Float32Array(2), [2]);
    const three = runtime.createTensor(new Float32Array(3), [3]);
    expect(() => runtime.createTensor(new Float32Array(3), [2])).toThrow();
    await expect(session.run([], [two])).rejects.toThrow(TypeError);
    await expect(session.run([three], [two])).rejects.toThrow(/invalid dimensions/);
    await expect(session.run([two], [three])).rejects.toThrow('the output y: expected [3], found [2]');
    three.release();
    three.release();
    await expect(session.run([three], [two])).rejects.toThrow(TypeError);
    session.release();
    session.release();
    await expect(session.run([two], [two])).rejects.toThrow(TypeError);
  });

  test('a signal stops what has not begun', async () => {
    const session = await runtime.createSession(relu, ['x'], ['y']);
    const two = runtime.createTensor(new Float32Array(2), [2]);
    const controller = new AbortController();
    const first = session.run([two], [two]);
    const second = session.run([two], [two], controller.signal);
    controller.abort(new Error('no more'));
    await expect(first).resolves.toBeUndefined();
    await expect(second).rejects.toThrow('no more');
  });
});
