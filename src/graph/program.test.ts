import { expect, test } from 'vitest';
import { add, constant, input, matmul, multiply, tanh } from './functions.js';
import { forwardBackward } from './gradient.js';
import { formatProgram, makeProgram } from './program.js';
import type { Node } from './value.js';

const x = input('x', [2, 3]);

test('equal expressions are one node', () => {
  const { nodes } = makeProgram({ y: add(tanh(multiply(2, x)), tanh(multiply(2, x))) });
  expect(nodes.map(({ op }) => op)).toEqual(['constant', 'input', 'multiply', 'tanh', 'add']);
});

test('numbers that JSON has no words for are told apart', () => {
  const { nodes } = makeProgram({ a: multiply(x, Infinity), b: multiply(x, NaN), c: multiply(x, -Infinity) });
  expect(nodes.filter(({ op }) => op === 'multiply').length).toBe(3);
});

test('what no output needs is left out', () => {
  const unused = tanh(input('unused', [2]));
  expect(unused.shape).toEqual([2]);
  expect([...makeProgram({ y: tanh(x) }).inputs.keys()]).toEqual(['x']);
});

test('a program prints as one reads it', () => {
  const w = input('w', [4, 3]);
  const program = makeProgram({ y: tanh(add(matmul(x, w, { transposeB: true }), 0.5)) });
  expect(formatProgram(program)).toBe(
    [
      'x: float32[2, 3]',
      'w: float32[4, 3]',
      '%2 = matmul(x, w) {"transposeA":false,"transposeB":true}: float32[2, 4]',
      '%4 = add(%2, 0.5): float32[2, 4]',
      '%5 = tanh(%4): float32[2, 4]',
      'y ← %5',
    ].join('\n'),
  );
});

test('one name for two inputs is refused', () => {
  expect(() => makeProgram({ y: add(input('x', [2]), input('x', [1])) })).toThrow(
    'two types for the input x',
  );
});

test.each([
  [
    () => matmul(x, input('w', [2, 4])),
    'matmul: expected matrices that multiply, found float32[2, 3] and float32[2, 4]',
  ],
  [() => add(x, input('b', [2])), 'add: expected shapes that broadcast, found float32[2, 3] and float32[2]'],
  [() => add(x, input('i', [2, 3], 'int32')), 'add: expected float32, found float32[2, 3] and int32[2, 3]'],
])('a shape that does not fit is refused: %#', (build, message) => {
  expect(build).toThrow(message);
});

test('the backward program takes what forward computed and computes the rest', () => {
  const [w, v] = [input('w', [3, 3]), input('v', [3, 3])] as Node<'input'>[];
  const middle = tanh(matmul(x, w!));
  const { backward, saved } = forwardBackward({ y: matmul(middle, v!) }, 'y', [w!, v!]);
  expect([...saved.values()]).toEqual([middle]);
  expect([...backward.inputs.keys()].sort()).toEqual(['gradient.y', 'saved.0', 'v', 'x']);
  expect([...backward.outputs.keys()]).toEqual(['gradient.w', 'gradient.v']);
});

test('a constant is a scalar of the type it is used with', () => {
  expect(constant(1)).toMatchObject({ shape: [], dtype: 'float32' });
  expect(add(input('i', [2], 'int32'), 1)).toMatchObject({ shape: [2], dtype: 'int32' });
});
