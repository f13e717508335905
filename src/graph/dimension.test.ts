import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  addDimensions,
  knownSize,
  multiplyDimensions,
  resolveDimension,
  type Dimension,
} from './dimension.js';

test.each<[Dimension, Dimension]>([
  [multiplyDimensions('sequence', 'batch'), 'batch*sequence'],
  [multiplyDimensions(multiplyDimensions(2, 'batch'), 3), '6*batch'],
  [addDimensions('sequence', 'past'), 'past+sequence'],
  [addDimensions('past', 0), 'past'],
  [multiplyDimensions('batch', addDimensions('past', 4)), '4*batch+batch*past'],
  [addDimensions('a', 'a'), '2*a'],
  [multiplyDimensions('a', 0), 0],
])('%s is %s', (found, expected) => {
  expect(found).toBe(expected);
});

const names = ['a', 'b', 'c'];
const dimension: fc.Arbitrary<Dimension> = fc.letrec<{ any: Dimension }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    fc.nat(5),
    fc.constantFrom(...names),
    fc.tuple(tie('any'), tie('any')).map(([x, y]) => addDimensions(x, y)),
    fc.tuple(tie('any'), tie('any')).map(([x, y]) => multiplyDimensions(x, y)),
  ),
})).any;

test('sums and products are those of the sizes, and are spelled alike however they were made', () => {
  const sizes = fc.record({ a: fc.nat(9), b: fc.nat(9), c: fc.nat(9) });
  fc.assert(
    fc.property(dimension, dimension, sizes, (x, y, given) => {
      const of = (size: Dimension) => resolveDimension(size, given);
      expect(of(addDimensions(x, y))).toBe(of(x) + of(y));
      expect(of(multiplyDimensions(x, y))).toBe(of(x) * of(y));
      expect(addDimensions(x, y)).toBe(addDimensions(y, x));
      expect(multiplyDimensions(x, y)).toBe(multiplyDimensions(y, x));
    }),
  );
});

test('a name whose size is not known is named', () => {
  expect(() => resolveDimension('batch*sequence', { batch: 2 })).toThrow('the size of sequence is not known');
  expect(() => knownSize('batch')).toThrow('expected a known size, found batch');
});
