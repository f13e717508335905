import { expect, test } from 'vitest';
import { toFeatureTensor } from './feature-tensor.js';

test('fewer tokens than the most are followed by zeros', () => {
  const one = { dims: [1, 2], data: Float32Array.of(1, 2) };
  const two = { dims: [2, 2], data: Float32Array.of(3, 4, 5, 6) };
  const tensor = toFeatureTensor([one, two]);
  expect(tensor.dims).toEqual([2, 2, 2]);
  expect(tensor.tolist()).toEqual([
    [
      [1, 2],
      [0, 0],
    ],
    [
      [3, 4],
      [5, 6],
    ],
  ]);
});

test('there may be more texts than a function takes arguments', () => {
  const features = { dims: [1, 1], data: Float32Array.of(7) };
  const { dims, data } = toFeatureTensor(new Array<typeof features>(150_000).fill(features));
  expect(dims).toEqual([150_000, 1, 1]);
  expect(data.at(-1)).toBe(7);
});
