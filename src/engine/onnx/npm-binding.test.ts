import { expect, test } from 'vitest';
import { openRuntime } from './c-interface.js';
import { openNpmRuntime } from './npm-binding.js';
import { encodeModel, type OnnxNode, type OnnxType } from './protobuf.js';
import type { HostArray, Runtime } from './runtime.js';

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

test.each(Object.entries(models))(
  'both interfaces compute %s equally',
  async (_, { nodes, inputs, outputs }) => {
    const expected = await compute(await openNpmRuntime({ threads: 2 }), nodes, inputs, outputs);
    const found = await compute(openRuntime({ threads: 2 }), nodes, inputs, outputs);
    expect(found).toEqual(expected);
    expect(expected).not.toEqual(outputs.map((output) => fill(output, 99)));
  },
);

test('misuse throws', async () => {
  const runtime = await openNpmRuntime({ threads: 1 });
  const pair = matrix('x', 2);
  const model = encodeModel({
    nodes: [{ type: 'Relu', inputs: ['x'], outputs: ['y'] }],
    initializers: [],
    inputs: [pair],
    outputs: [matrix('y', 2)],
  });
  const session = await runtime.createSession(model, ['x'], ['y']);
  const two = runtime.createTensor(new Float32Array(2), [2]);
  const three = runtime.createTensor(new Float32Array(3), [3]);
  expect(() => runtime.createTensor(new Float32Array(3), [2])).toThrow();
  await expect(session.run([], [two])).rejects.toThrow(TypeError);
  await expect(session.run([three], [two])).rejects.toThrow(/invalid dimensions/);
  three.release();
  three.release();
  await expect(session.run([three], [two])).rejects.toThrow(TypeError);
  session.release();
  session.release();
  await expect(session.run([two], [two])).rejects.toThrow(TypeError);
});
