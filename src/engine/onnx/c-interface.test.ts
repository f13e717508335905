import { randomUUID } from 'node:crypto';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transpileModule, ModuleKind, ScriptTarget } from 'typescript';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createArena } from '../kernels/kernels.js';
import { openRuntime } from './c-interface.js';
import { encodeModel, type OnnxNode, type OnnxType } from './protobuf.js';
import type { Runtime, RuntimeSession } from './runtime.js';

type Values = Record<string, readonly [OnnxType, readonly number[]]>;

const toInfo = (values: Values) =>
  Object.entries(values).map(([name, [type, shape]]) => ({ name, type, shape }));

function createSession(
  runtime: Runtime,
  nodes: OnnxNode[],
  inputs: Values,
  outputs: Values,
): Promise<RuntimeSession> {
  const model = encodeModel({ nodes, initializers: [], inputs: toInfo(inputs), outputs: toInfo(outputs) });
  return runtime.createSession(model, Object.keys(inputs), Object.keys(outputs));
}

const runtime = openRuntime({ threads: 2 });
const relu: OnnxNode = { type: 'Relu', inputs: ['x'], outputs: ['y'] };
const pair = ['float32', [2]] as const;
const createRelu = () => createSession(runtime, [relu], { x: pair }, { y: pair });

test('is opened once', () => {
  expect(openRuntime({ threads: 1 })).toBe(runtime);
  expect(() => openRuntime({ threads: 0 })).toThrow(RangeError);
});

test('refuses tensors whose shape is not that of their memory', () => {
  const data = new Float32Array(4);
  for (const shape of [[3], [5], [2, 3], [-2, -2], [0.5, 8], [NaN], []])
    expect(() => runtime.createTensor(data, shape)).toThrow(RangeError);
  expect(() => runtime.createTensor(new Float64Array(4) as never, [4])).toThrow(TypeError);
});

test('refuses wrong numbers of tensors, tensors of others and released ones', async () => {
  const session = await createRelu();
  const x = runtime.createTensor(Float32Array.of(-1, 2), [2]);
  const y = runtime.createTensor(new Float32Array(2), [2]);
  await expect(session.run([], [y])).rejects.toThrow(new TypeError('expected 1 inputs (x), found 0'));
  await expect(session.run([x], [y, y])).rejects.toThrow(new TypeError('expected 1 outputs (y), found 2'));
  await expect(session.run([{ ...x }], [y])).rejects.toThrow(TypeError);
  x.release();
  x.release();
  await expect(session.run([x], [y])).rejects.toThrow(new TypeError('this tensor has been released'));
  session.release();
  session.release();
  await expect(session.run([y], [y])).rejects.toThrow(new TypeError('this session has been released'));
});

test('refuses memory that was detached', async () => {
  const session = await createRelu();
  const data = Float32Array.of(1, 2);
  const x = runtime.createTensor(data, [2]);
  structuredClone(data, { transfer: [data.buffer] });
  await expect(session.run([x], [x])).rejects.toThrow(TypeError);
});

test("passes ONNX Runtime's messages on", async () => {
  await expect(runtime.createSession(Uint8Array.of(1, 2, 3), [], [])).rejects.toThrow(/protobuf/);
  const session = await createRelu();
  const two = runtime.createTensor(new Float32Array(2), [2]);
  const three = runtime.createTensor(new Float32Array(3), [3]);
  const integers = runtime.createTensor(new Int32Array(2), [2]);
  await expect(session.run([three], [two])).rejects.toThrow(/invalid dimensions for input: x/);
  await expect(session.run([two], [three])).rejects.toThrow(/invalid dimensions for output: y/);
  await expect(session.run([two], [integers])).rejects.toThrow(/Unexpected output data type/);
  const model = encodeModel({
    nodes: [relu],
    initializers: [],
    inputs: toInfo({ x: pair }),
    outputs: toInfo({ y: pair }),
  });
  const misnamed = await runtime.createSession(model, ['z'], ['y']);
  await expect(misnamed.run([two], [two])).rejects.toThrow('Invalid input name: z');
});

test('computes in shared and WebAssembly memory, and in place', async () => {
  const session = await createRelu();
  const shared = new Float32Array(new SharedArrayBuffer(64), 8, 2);
  const wasm = new Float32Array(createArena(65536).memory, 1024, 2);
  shared.set([-1, 7]);
  wasm.set([-3, 5]);
  const x = runtime.createTensor(shared, [2]);
  const y = runtime.createTensor(wasm, [2]);
  await session.run([y], [y]);
  expect(Array.from(wasm)).toEqual([0, 5]);
  await session.run([x], [y]);
  expect(Array.from(wasm)).toEqual([0, 7]);
  expect(Array.from(shared)).toEqual([-1, 7]);
});

test('accumulates a matrix product where C and Y are the same memory', async () => {
  const square = ['float32', [2, 2]] as const;
  const gemm: OnnxNode = {
    type: 'Gemm',
    inputs: ['a', 'b', 'c'],
    outputs: ['y'],
    attributes: { transA: { int: 1 } },
  };
  const session = await createSession(runtime, [gemm], { a: square, b: square, c: square }, { y: square });
  const a = runtime.createTensor(Float32Array.of(1, 2, 3, 4), [2, 2]);
  const b = runtime.createTensor(Float32Array.of(1, 0, 0, 1), [2, 2]);
  const y = runtime.createTensor(Float32Array.of(10, 20, 30, 40), [2, 2]);
  await session.run([a, b, y], [y]);
  await session.run([a, b, y], [y]);
  expect(y.data).toEqual(Float32Array.of(12, 26, 34, 48));
});

/** Long enough for the event loop to turn meanwhile: x² of a 512 × 512 matrix. */
async function createSquare() {
  const matrix = ['float32', [512, 512]] as const;
  const node: OnnxNode = { type: 'MatMul', inputs: ['x', 'x'], outputs: ['y'] };
  const session = await createSession(runtime, [node], { x: matrix }, { y: matrix });
  const createTensor = (value: number) =>
    runtime.createTensor(new Float32Array(512 * 512).fill(value), [512, 512]);
  return { session, x: createTensor(1), y: createTensor(0) };
}

test('runs beside the event loop on the main thread', async () => {
  const { session, x, y } = await createSquare();
  const order: string[] = [];
  const run = Promise.resolve(session.run([x], [y])).then(() => order.push('run'));
  await Promise.resolve().then(() => order.push('event loop'));
  await run;
  expect(order).toEqual(['event loop', 'run']);
});

test('keeps what is released during a run until its end', async () => {
  const { session, x, y } = await createSquare();
  const z = runtime.createTensor(new Float32Array(512 * 512), [512, 512]);
  const runs = [y, z].map((output) => Promise.resolve(session.run([x], [output])));
  for (const released of [session, x, y, z, session, x]) released.release();
  await Promise.all(runs);
  expect([y.data[0], z.data[0]]).toEqual([512, 512]);
  await expect(session.run([x], [y])).rejects.toThrow(TypeError);
});

// Below: whole processes, because what is tested is that they end well.

let root: string;
/** Where it would be in the package: what is imported from outside lies beside it. */
let folder: string;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'megatron-bert-'));
  folder = join(root, 'engine/onnx');
  mkdirSync(folder, { recursive: true });
  symlinkSync(join(import.meta.dirname, '../../../node_modules'), join(root, 'node_modules'), 'junction');
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }');
  for (const name of [
    'c-interface',
    'library',
    'npm-binding',
    'protobuf',
    '../../protobuf',
    '../../native-library',
  ]) {
    const source = readFileSync(join(import.meta.dirname, `${name}.ts`), 'utf8');
    const options = { module: ModuleKind.ESNext, target: ScriptTarget.ES2022 };
    writeFileSync(
      join(folder, `${name}.js`),
      transpileModule(source, { compilerOptions: options }).outputText,
    );
  }
  writeFileSync(
    join(folder, 'square.js'),
    `import { openRuntime } from './c-interface.js';
     import { encodeModel } from './protobuf.js';
     export const size = 256;
     export const value = (name) => ({ name, type: 'float32', shape: [size, size] });
     export const model = encodeModel({
       nodes: [{ type: 'MatMul', inputs: ['x', 'x'], outputs: ['y'] }],
       initializers: [], inputs: [value('x')], outputs: [value('y')],
     });
     export const open = () => openRuntime({ threads: 2 });
     export const createSession = (runtime) => runtime.createSession(model, ['x'], ['y']);
     export const createTensor = (runtime, fill) =>
       runtime.createTensor(new Float32Array(new SharedArrayBuffer(4 * size * size)).fill(fill), [size, size]);`,
  );
});

afterAll(() => {
  rmSync(root, { recursive: true });
});

/** What a process prints that runs the module `source`; `square.js` has what it needs. */
function runProcess(source: string, nodeOptions: string[] = []): Promise<string> {
  const file = join(folder, `${randomUUID()}.js`);
  writeFileSync(file, source);
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [...nodeOptions, file], (error, stdout, stderr) => {
      if (error) reject(new Error(error.message));
      else resolve(stdout + stderr);
    });
  });
}

test('worker threads share ONNX Runtime and leave it', async () => {
  const output = await runProcess(`
    import { isMainThread, Worker, parentPort } from 'node:worker_threads';
    import { once } from 'node:events';
    import { open, createSession, createTensor, size } from './square.js';
    if (isMainThread) {
      for (let round = 0; round < 3; round++) {
        const workers = Array.from({ length: 3 }, () => new Worker(new URL(import.meta.url)));
        await Promise.all(workers.map(async (worker) => {
          const [[sum], [code]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
          if (sum !== size || code !== 0) throw new Error('sum ' + sum + ' exit ' + code);
        }));
      }
      console.log('done');
    } else {
      const runtime = open();
      const session = await createSession(runtime);
      const [x, y] = [createTensor(runtime, 1), createTensor(runtime, 0)];
      for (let i = 0; i < 20; i++) if (session.run([x], [y]) !== undefined) throw new Error('not synchronous');
      try { session.run([x], []); } catch (error) { if (!(error instanceof TypeError)) throw error; }
      parentPort.postMessage(y.data[0]);
    }`);
  expect(output).toBe('done\n');
});

test('worker threads are terminated in the middle of runs while another goes on', async () => {
  const output = await runProcess(`
    import { isMainThread, Worker, parentPort, workerData } from 'node:worker_threads';
    import { once } from 'node:events';
    import { open, createSession, createTensor } from './square.js';
    if (isMainThread) {
      const survivor = new Worker(new URL(import.meta.url), { workerData: { rounds: 300 } });
      const survived = once(survivor, 'exit');
      for (let i = 0; i < 4; i++) {
        const worker = new Worker(new URL(import.meta.url), { workerData: { rounds: Infinity } });
        await once(worker, 'message');
        await worker.terminate();
      }
      console.log('exit', ...(await survived));
    } else {
      const runtime = open();
      const session = await createSession(runtime);
      const [x, y] = [createTensor(runtime, 1), createTensor(runtime, 0)];
      parentPort.postMessage('running');
      for (let i = 0; i < workerData.rounds; i++) session.run([x], [y]);
    }`);
  expect(output).toBe('exit 0\n');
});

test('a process ends during a run', async () => {
  const output = await runProcess(`
    import { open, createSession, createTensor } from './square.js';
    const runtime = open();
    const session = await createSession(runtime);
    for (let i = 0; i < 8; i++) void session.run([createTensor(runtime, 1)], [createTensor(runtime, 0)]);
    console.log('leaving');
    process.exit(0);`);
  expect(output).toBe('leaving\n');
});

test('sessions and tensors that were forgotten are collected, those in use are not', async () => {
  const output = await runProcess(
    `
    import { open, createSession, createTensor, size } from './square.js';
    const runtime = open();
    const collected = new Set();
    const registry = new FinalizationRegistry((name) => collected.add(name));
    let session = await createSession(runtime);
    let x = createTensor(runtime, 1);
    const memory = new Float32Array(size * size);
    let y = runtime.createTensor(memory, [size, size]);
    registry.register(session, 'session');
    registry.register(x, 'x');
    registry.register(y, 'y');
    const run = session.run([x], [y]);
    session = x = y = undefined;
    gc();
    await run;
    if (memory[0] !== size || memory.at(-1) !== size) throw new Error('wrong values');
    while (collected.size < 3) {
      gc();
      await new Promise((resolve) => setImmediate(resolve));
    }
    console.log([...collected].sort().join());`,
    ['--expose-gc'],
  );
  expect(output).toBe('session,x,y\n');
});

test('says where it finds no library', async () => {
  const output = await runProcess(`
    import { open } from './square.js';
    Object.defineProperty(process, 'arch', { value: 'mips' });
    try { open(); } catch (error) { console.log(error.message); }`);
  expect(output).toMatch(/^onnxruntime-node has no library for \w+ mips \(in .*bin\)\n$/);
});

test("runs beside onnxruntime-node's own environment, whichever is first", async () => {
  const body = `
    import * as ort from 'onnxruntime-node';
    import { openNpmRuntime } from './npm-binding.js';
    import { open, createSession, createTensor } from './square.js';
    const check = async (runtime) => {
      const session = await createSession(runtime);
      const [x, y] = [new Float32Array(256 * 256).fill(1), new Float32Array(256 * 256)]
        .map((data) => runtime.createTensor(data, [256, 256]));
      await session.run([x], [y]);
      console.log(y.data[0]);
    };
    const npm = () => openNpmRuntime(ort, () => ({ intraOpNumThreads: 1 }));`;
  const outputs = await Promise.all([
    runProcess(`${body} await check(open()); await check(npm()); await check(open());`),
    runProcess(`${body} await check(npm()); await check(open()); await check(npm());`),
  ]);
  expect(outputs).toEqual(['256\n256\n256\n', '256\n256\n256\n']);
});
