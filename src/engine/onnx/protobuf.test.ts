import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { encodeModel, type OnnxModel } from './protobuf.js';

async function run(model: OnnxModel, feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> {
  const session = await InferenceSession.create(encodeModel(model));
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

test('float and integer attributes, an omitted optional input', async () => {
  const { y } = await run(
    {
      nodes: [
        {
          type: 'Gemm',
          inputs: ['a', 'b', ''],
          outputs: ['y'],
          attributes: { transB: { int: 1 }, alpha: { float: 0.5 } },
        },
      ],
      initializers: [],
      inputs: [
        { name: 'a', type: 'float32', shape: [1, 2] },
        { name: 'b', type: 'float32', shape: [3, 2] },
      ],
      outputs: [{ name: 'y', type: 'float32', shape: [1, 3] }],
    },
    {
      a: new Tensor(Float32Array.of(1, 2), [1, 2]),
      b: new Tensor(Float32Array.of(1, 0, 0, 1, 3, 4), [3, 2]),
    },
  );
  expect(y!.data).toEqual(Float32Array.of(0.5, 1, 5.5));
});

test('lists and negative integers, several outputs, initializers of every type', async () => {
  const outputs = await run(
    {
      nodes: [
        { type: 'Transpose', inputs: ['x'], outputs: ['t'], attributes: { perm: { ints: [1, 0] } } },
        { type: 'Softmax', inputs: ['t'], outputs: ['p'], attributes: { axis: { int: -1 } } },
        { type: 'Reshape', inputs: ['t', 'shape'], outputs: ['r'] },
        { type: 'Where', inputs: ['condition', 'r', 'scale'], outputs: ['w'] },
        { type: 'Gather', inputs: ['w', 'index'], outputs: ['g'], attributes: { axis: { int: 0 } } },
      ],
      initializers: [
        { name: 'shape', type: 'int64', shape: [1], data: BigInt64Array.of(-1n) },
        { name: 'condition', type: 'bool', shape: [4], data: Uint8Array.of(1, 0, 1, 0) },
        { name: 'scale', type: 'float32', shape: [], data: Float32Array.of(-7) },
        { name: 'index', type: 'int32', shape: [2], data: Int32Array.of(2, -1) },
      ],
      inputs: [{ name: 'x', type: 'float32', shape: [2, 2] }],
      outputs: [
        { name: 'g', type: 'float32', shape: [2] },
        { name: 'p', type: 'float32', shape: [2, 2] },
      ],
    },
    { x: new Tensor(Float32Array.of(1, 2, 1, 2), [2, 2]) },
  );
  expect(outputs.g!.data).toEqual(Float32Array.of(2, -7));
  expect(outputs.p!.data).toEqual(Float32Array.of(0.5, 0.5, 0.5, 0.5));
});

test("string attributes and Microsoft's operators", async () => {
  const { y } = await run(
    {
      nodes: [
        {
          type: 'Gelu',
          inputs: ['x'],
          outputs: ['gelu'],
          domain: 'com.microsoft',
        },
        {
          type: 'Pad',
          inputs: ['gelu', 'pads'],
          outputs: ['y'],
          attributes: { mode: { string: 'edge' } },
        },
      ],
      initializers: [{ name: 'pads', type: 'int64', shape: [2], data: BigInt64Array.of(1n, 2n) }],
      inputs: [{ name: 'x', type: 'float32', shape: [2] }],
      outputs: [{ name: 'y', type: 'float32', shape: [5] }],
    },
    { x: new Tensor(Float32Array.of(0, 100), [2]) },
  );
  expect(y!.data).toEqual(Float32Array.of(0, 0, 100, 100, 100));
});

test('an initializer longer than a short length prefix, read from a view into a larger buffer', async () => {
  const data = Float32Array.from({ length: 5001 }, (_, index) => index).subarray(1);
  const { y } = await run(
    {
      nodes: [{ type: 'Add', inputs: ['x', 'ramp'], outputs: ['y'] }],
      initializers: [{ name: 'ramp', type: 'float32', shape: [5000], data }],
      inputs: [{ name: 'x', type: 'float32', shape: [1] }],
      outputs: [{ name: 'y', type: 'float32', shape: [5000] }],
    },
    { x: new Tensor(Float32Array.of(1), [1]) },
  );
  expect(y!.data[0]).toBe(2);
  expect(y!.data[4999]).toBe(5001);
});
