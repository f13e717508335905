import { afterAll, describe, expect, test } from 'vitest';
import { allCases, caseInputs, communicates } from '../../../test/support/op-cases.js';
import { knownShape, sizeOf } from '../../graph/value.js';
import { evaluate } from '../../../test/support/evaluate.js';
import { gradient } from '../../graph/gradient.js';
import {
  add,
  allReduce,
  constant,
  input,
  matmul,
  multiply,
  scatterAdd,
  sum,
  tanh,
} from '../../graph/functions.js';
import { makeProgram, type Program } from '../../graph/program.js';
import type { Engine, HostArray } from '../engine.js';
import { openEngine } from '../node.js';
import { planSegments } from './segments.js';

const engine = openEngine({ threads: 1 });
afterAll(() => engine.release());

async function run(
  program: Program,
  numbers: Readonly<Record<string, readonly number[]>>,
  on: Engine = engine,
): Promise<Record<string, readonly number[]>> {
  const inputs = Object.fromEntries(
    [...program.inputs].map(([name, value]) => [name, on.allocate([value])[0]]),
  );
  for (const [name, buffer] of Object.entries(inputs)) {
    const array: HostArray =
      buffer.dtype === 'int32' ? Int32Array.from(numbers[name]!) : Float32Array.from(numbers[name]!);
    await on.write(buffer, array);
  }
  const outputs = Object.fromEntries(
    [...program.outputs].map(([name, value]) => [name, on.allocate([value])[0]]),
  );
  await (await on.compile(program)).run(inputs, outputs);
  const read = async (name: string) => [name, [...(await on.read(outputs[name]!))]] as const;
  return Object.fromEntries(await Promise.all(Object.keys(outputs).map(read)));
}

describe('every op and its gradient give what the plain evaluator gives', () => {
  test.each(allCases.filter(({ op }) => !communicates(op)))('$op: $name', async ({ opCase }) => {
    const { values, numbers } = caseInputs(opCase);
    const result = opCase.build(values);
    const seed = input('seed', result.shape);
    const names = Object.keys(opCase.floats);
    const gradients = gradient(
      [{ value: result, seed }],
      names.map((name) => values[name]!),
    );
    const outputs = { result, ...Object.fromEntries(names.map((name, i) => [`d${name}`, gradients[i]!])) };
    const program = makeProgram(outputs);
    const given = {
      ...numbers,
      seed:
        result.shape.length > 0
          ? Array.from({ length: sizeOf(knownShape(result.shape)) }, (_, i) => Math.sin(i))
          : [1],
    };
    const found = await run(program, given);
    for (const [name, expected] of Object.entries(evaluate(program, given)))
      found[name]!.forEach((value, i) => {
        expect(value, name).toBeCloseTo(expected[i]!, 4);
      });
  });
});

test('equal programs are compiled once', async () => {
  const program = () => makeProgram({ y: tanh(input('x', [2])) });
  expect(await engine.compile(program())).toBe(await engine.compile(program()));
});

test('a gradient is added to in place', async () => {
  const [x, dy, total] = [input('x', [3, 2]), input('dy', [3, 4]), input('total', [4, 2])];
  const executable = await engine.compile(
    makeProgram({ total: add(total, matmul(dy, x, { transposeA: true })) }),
  );
  const [xs, dys, totals] = engine.allocate([x, dy, total]);
  await engine.write(xs, Float32Array.of(1, 2, 3, 4, 5, 6));
  await engine.write(dys, new Float32Array(12).fill(1));
  for (const expected of [
    [9, 12],
    [18, 24],
  ]) {
    await executable.run({ x: xs, dy: dys, total: totals }, { total: totals });
    expect([...(await engine.read(totals))]).toEqual([...expected, ...expected, ...expected, ...expected]);
  }
});

test('rows are scattered onto a gradient in place', async () => {
  const [ids, updates, total] = [
    input('ids', [3], 'int32'),
    input('updates', [3, 2]),
    input('total', [4, 2]),
  ];
  const executable = await engine.compile(makeProgram({ total: scatterAdd(total, ids, updates) }));
  const [idBuffer, updateBuffer, totals] = engine.allocate([ids, updates, total]);
  await engine.write(idBuffer, Int32Array.of(1, 1, 3));
  await engine.write(updateBuffer, Float32Array.of(1, 2, 3, 4, 5, 6));
  for (const times of [1, 2]) {
    await executable.run({ ids: idBuffer, updates: updateBuffer, total: totals }, { total: totals });
    expect([...(await engine.read(totals))]).toEqual([0, 0, 4, 6, 0, 0, 5, 6].map((x) => times * x));
  }
});

test('an output that is an input, or another output, is copied', async () => {
  const x = input('x', [2]);
  const found = await run(makeProgram({ same: x, once: tanh(x), twice: tanh(x) }), { x: [0, 1] });
  expect(found.same).toEqual([0, 1]);
  expect(found.twice).toEqual(found.once);
});

test('a program is cut at its communications', () => {
  const group = { group: 'tensor', size: 2 };
  const x = input('x', [4, 4]);
  const program = makeProgram({
    y: tanh(allReduce(matmul(x, allReduce(tanh(x), group)), group)),
    z: multiply(2, x),
  });
  const kinds = planSegments(program).map((step) =>
    step.kind === 'host' ? step.node.op : step.nodes.map(({ op }) => op),
  );
  expect(kinds).toEqual([['tanh', 'multiply'], 'allReduce', ['matmul'], 'allReduce', ['tanh']]);
});

describe('misuse is refused', () => {
  test('a missing input, and one of another shape', async () => {
    const executable = await engine.compile(makeProgram({ y: tanh(input('x', [2])) }));
    const [right, wrong] = engine.allocate([
      { shape: [2], dtype: 'float32' },
      { shape: [3], dtype: 'float32' },
    ]);
    await expect(executable.run({}, { y: right })).rejects.toThrow('the input x is missing');
    await expect(executable.run({ x: wrong }, { y: right })).rejects.toThrow(
      'expected float32[2], found float32[3]',
    );
    await expect(executable.run({ x: right }, {})).rejects.toThrow('the output y is missing');
  });

  test('a buffer that was freed', async () => {
    const [x] = engine.allocate([{ shape: [2], dtype: 'float32' }]);
    engine.free([x]);
    await expect(engine.read(x)).rejects.toThrow('freed');
    expect(() => {
      engine.free([x]);
    }).toThrow('freed');
  });

  test('a group that nobody gave', async () => {
    const program = makeProgram({ y: allReduce(tanh(input('x', [1])), { group: 'nobody', size: 2 }) });
    await expect(run(program, { x: [1] })).rejects.toThrow("no communicator for the group 'nobody'");
  });

  test('an output that is a constant', async () => {
    await expect(engine.compile(makeProgram({ y: constant(1) }))).rejects.toThrow('constant');
  });
});

test('freed memory is used again, and is zero', async () => {
  const [first] = engine.allocate([{ shape: [1000], dtype: 'float32' }]);
  await engine.write(first, new Float32Array(1000).fill(1));
  engine.free([first]);
  const [second] = engine.allocate([{ shape: [1000], dtype: 'float32' }]);
  expect(Math.max(...(await engine.read(second)))).toBe(0);
});

test('a sum of scalars', async () => {
  expect((await run(makeProgram({ y: sum(input('x', [2, 2]), [0, 1]) }), { x: [1, 2, 3, 4] })).y).toEqual([
    10,
  ]);
});

test('what programs compute on the way lies in one memory, and not in one for each', async () => {
  const size = 2 ** 22;
  const own = openEngine({ threads: 1 });
  const x = own.allocate([input('x', [size])])[0];
  const y = own.allocate([input('y', [1])])[0];
  await own.write(x, new Float32Array(size).fill(1));
  const programs = Array.from({ length: 20 }, (_, i) => {
    const scaled = multiply(i, input('x', [size]));
    return makeProgram({ y: sum(multiply(tanh(scaled), tanh(add(scaled, 1))), [0]) });
  });
  const before = process.memoryUsage.rss();
  for (const [i, program] of programs.entries()) {
    await (await own.compile(program)).run({ x }, { y });
    const expected = size * Math.tanh(i) * Math.tanh(i + 1);
    expect((await own.read(y))[0]! / expected || 1).toBeCloseTo(1, 1);
  }
  const taken = (process.memoryUsage.rss() - before) / (4 * size);
  expect(taken).toBeLessThan(programs.length / 2);
  await own.release();
});
