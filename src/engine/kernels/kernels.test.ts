import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { partLayout } from '../../partition.js';
import { randomKey, type RandomKey } from '../../random.js';
import { createArena, type Arena } from './kernels.js';
import { adam, dropoutMask, linearCombination, sumOfSquares } from './reference.js';

test('compiled.ts is what assembly/kernels.ts compiles to', () => {
  const script = join(import.meta.dirname, '../../../scripts/build-kernels.mjs');
  execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' });
});

test('an arena gives aligned memory until none is left', () => {
  const arena = createArena(100_000);
  expect(arena.memory.byteLength).toBe(131_072);
  expect([arena.allocate(1), arena.allocate(0), arena.allocate(65), arena.allocate(4)]).toEqual([
    0, 64, 64, 192,
  ]);
  expect(() => arena.allocate(131_072 - 255)).toThrow(RangeError);
  expect(arena.allocate(131_072 - 256)).toBe(256);
  expect(() => arena.allocate(1)).toThrow(RangeError);
  expect(() => arena.allocate(-1)).toThrow(RangeError);
  expect(() => arena.allocate(NaN)).toThrow(RangeError);
  expect(() => createArena(2 ** 32 + 1)).toThrow(RangeError);
});

test('kernels work to the end of 4 GiB, and not beyond the end', () => {
  const arena = createArena(2 ** 32);
  const offset = 2 ** 32 - 4 * 9;
  const last = new Float32Array(arena.memory, offset, 9);
  const layout = partLayout([9], undefined, 1, 0);
  arena.dropoutMask(offset, layout, [1, 2], 0.5);
  expect(last).toEqual(dropoutMask(layout, [1, 2], 0.5));
  expect(arena.sumOfSquares(offset, 9)).toBe(sumOfSquares(last));
  arena.adam(offset, offset, offset, offset, offset, 9, options, result);
  arena.linearCombination(1, offset, 1, offset, 9);
  expect(() => arena.sumOfSquares(offset, 10)).toThrow(RangeError);
  expect(() => arena.sumOfSquares(-4, 1)).toThrow(RangeError);
  expect(() => {
    arena.dropoutMask(offset + 4, layout, [1, 2], 0.5);
  }).toThrow(RangeError);
  expect(() => {
    arena.adam(0, 0, 0, offset + 4, 0, 9, options, result);
  }).toThrow(RangeError);
  expect(() => {
    arena.adam(0, 0, 0, 0, offset + 4, 9, options, result);
  }).toThrow(RangeError);
  expect(() => {
    arena.linearCombination(1, 0, 1, offset + 4, 9);
  }).toThrow(RangeError);
});

const options = {
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.01,
  step: 1,
  gradientScale: 1,
};
const result = { keep: 1, scale: -1e-3 };

const arena = createArena(65536);

/** A copy in the arena, `shift` elements after an aligned place. */
function place(target: Arena, slot: number, values: readonly number[], shift: number) {
  const offset = slot * 4096 + 4 * shift;
  const view = new Float32Array(target.memory, offset, values.length);
  view.set(values);
  return { offset, view };
}

// magnitudes whose squares float32 can still hold
const float = fc
  .tuple(fc.double({ min: -1, max: 1, noNaN: true }), fc.integer({ min: -15, max: 15 }))
  .map(([x, exponent]) => Math.fround(x * 10 ** exponent));
const shift = fc.integer({ min: 0, max: 3 });

test('adam is the reference, wherever its result goes', () => {
  const element = fc.tuple(
    float,
    float,
    float,
    float.map((x) => Math.fround(x * x)),
  );
  const optionsArbitrary = fc.record({
    beta1: fc.double({ min: 0, max: 0.999, noNaN: true }),
    // smaller ones would lose digits of v, which moves by differences
    beta2: fc.double({ min: 0.5, max: 0.9999, noNaN: true }),
    epsilon: fc.constantFrom(1e-8, 1e-6, 1e-3),
    weightDecay: fc.double({ min: 0, max: 1, noNaN: true }),
    step: fc.integer({ min: 1, max: 1_000_000 }),
    gradientScale: fc.double({ min: 1e-6, max: 1, noNaN: true }),
  });
  const resultArbitrary = fc.record({
    keep: fc.constantFrom(0, 1),
    scale: fc.constantFrom(1, -1e-3),
  });
  // the parameter, the gradient, or elsewhere
  const target = fc.constantFrom(0, 1, 4);
  fc.assert(
    fc.property(
      fc.array(element, { maxLength: 67 }),
      optionsArbitrary,
      resultArbitrary,
      target,
      shift,
      (elements, updateOptions, updateResult, to, at) => {
        const columns = [0, 1, 2, 3, 0].map((column) => elements.map((row) => row[column]!));
        const expected = columns.map((column) => Float64Array.from(column));
        const [parameter, gradient, first, second] = expected as [
          Float64Array,
          Float64Array,
          Float64Array,
          Float64Array,
        ];
        adam(parameter, gradient, first, second, expected[to]!, updateOptions, updateResult);
        const placed = columns.map((column, slot) => place(arena, slot, column, at));
        const [p, g, m, v] = placed.map(({ offset }) => offset) as [number, number, number, number];
        const { offset, view } = placed[to]!;
        const guard = new Float32Array(arena.memory, offset + 4 * elements.length, 4).fill(42);
        arena.adam(p, g, m, v, offset, elements.length, updateOptions, updateResult);
        expect(Array.from(guard)).toEqual([42, 42, 42, 42]);
        elements.forEach((row, i) => {
          // relative to the largest term: they may cancel
          const [p, g, m, v] = row.map(Math.abs) as [number, number, number, number];
          const moment = m + g * updateOptions.gradientScale;
          expect(Math.abs(placed[2]!.view[i]! - first[i]!)).toBeLessThanOrEqual(1e-6 * moment + 1e-38);
          expect(Math.abs(placed[3]!.view[i]! - second[i]!)).toBeLessThanOrEqual(1e-6 * (v + g * g) + 1e-38);
          const { beta1, beta2, step, epsilon, weightDecay } = updateOptions;
          const root = Math.sqrt(second[i]! / (1 - beta2 ** step));
          const direction = (moment + 1e-38) / (1 - beta1 ** step) / (root + epsilon) + weightDecay * p;
          expect(Math.abs(view[i]! - expected[to]![i]!)).toBeLessThanOrEqual(
            4e-6 * (updateResult.keep * p + Math.abs(updateResult.scale) * direction) + 1e-30,
          );
        });
      },
    ),
    { numRuns: 300 },
  );
});

test('adam gives an element the same bits wherever it stands', () => {
  fc.assert(
    fc.property(fc.tuple(float, float, float, float), shift, (row, at) => {
      const values = row.map((x) => Array.from({ length: 7 }, () => x));
      const placed = values.map((column, slot) =>
        place(arena, slot, slot === 3 ? column.map((x) => x * x) : column, at),
      );
      const [p, g, m, v] = placed.map(({ offset }) => offset) as [number, number, number, number];
      arena.adam(p, g, m, v, p, 7, options, result);
      for (const { view } of placed)
        expect(new Set(new Uint32Array(view.buffer, view.byteOffset, 7)).size).toBe(1);
    }),
  );
});

test('linearCombination is the reference, to its rounding', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(float, float), { maxLength: 67 }),
      float,
      float,
      shift,
      (rows, a, b, at) => {
        const [ys, xs] = [0, 1].map((column) => rows.map((row) => row[column]!)) as [number[], number[]];
        const expected = Float64Array.from(ys);
        linearCombination(a, expected, b, Float64Array.from(xs));
        const y = place(arena, 0, [...ys, 42, 42, 42, 42], at);
        const x = place(arena, 1, xs, at);
        arena.linearCombination(a, y.offset, b, x.offset, rows.length);
        rows.forEach((_, i) => {
          const terms = Math.abs(a * ys[i]!) + Math.abs(b * xs[i]!);
          expect(Math.abs(y.view[i]! - expected[i]!)).toBeLessThanOrEqual(2e-7 * terms + 1e-38);
        });
        expect(Array.from(y.view.subarray(rows.length))).toEqual([42, 42, 42, 42]);
        expect(Array.from(x.view)).toEqual(xs);
      },
    ),
  );
});

test('sumOfSquares is the reference, and the same at every offset', () => {
  fc.assert(
    fc.property(fc.array(float, { maxLength: 67 }), shift, (values, at) => {
      const { offset, view } = place(arena, 0, values, at);
      const sum = arena.sumOfSquares(offset, values.length);
      const expected = sumOfSquares(view);
      expect(Math.abs(sum - expected)).toBeLessThanOrEqual(1e-14 * expected);
      expect(arena.sumOfSquares(place(arena, 1, values, 0).offset, values.length)).toBe(sum);
    }),
  );
});

test('sumOfSquares is accurate for many elements', () => {
  // added one after the other in float32, these would stop at 2²⁴
  const count = 2 ** 25;
  const large = createArena(4 * count);
  new Float32Array(large.memory).fill(1);
  expect(large.sumOfSquares(0, count)).toBe(count);
});

const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const key = fc.tuple(word, word) as fc.Arbitrary<RandomKey>;

test('dropoutMask is the reference', () => {
  const layout = fc.record({
    outer: fc.integer({ min: 0, max: 9 }),
    run: fc.integer({ min: 0, max: 19 }),
    stride: word,
    start: word,
  });
  const rate = fc.oneof(
    fc.constantFrom(0, 0.1, 2 ** -32, 1 - 2 ** -32),
    fc.double({ min: 0, max: 0.999, noNaN: true }),
  );
  fc.assert(
    fc.property(layout, key, rate, shift, (part, name, dropped, at) => {
      const expected = dropoutMask(part, name, dropped);
      const { offset, view } = place(
        arena,
        0,
        Array.from({ length: expected.length + 4 }, () => 42),
        at,
      );
      arena.dropoutMask(offset, part, name, dropped);
      expect(view).toEqual(Float32Array.of(...expected, 42, 42, 42, 42));
    }),
    { numRuns: 300 },
  );
});

test('the masks of the parts of a tensor are the parts of its mask', () => {
  const name = randomKey(1234, 'layer 3');
  const whole = dropoutMask(partLayout([3, 10, 4], undefined, 1, 0), name, 0.3);
  const parts = [0, 1].map((index) => dropoutMask(partLayout([3, 10, 4], 1, 2, index), name, 0.3));
  for (let o = 0; o < 3; o++)
    for (const [index, part] of parts.entries())
      expect(part.slice(o * 20, o * 20 + 20)).toEqual(
        whole.slice(o * 40 + index * 20, o * 40 + index * 20 + 20),
      );
});

test('dropoutMask keeps the mean', () => {
  const mask = dropoutMask(partLayout([100_000], undefined, 1, 0), randomKey(1), 0.1);
  expect(sumOfSquares(mask) * 0.9 ** 2).toBeCloseTo(90_000, -3);
});

test('dropoutMask refuses rates that leave nothing, or are none', () => {
  const part = partLayout([4], undefined, 1, 0);
  for (const rate of [1, 1.5, -0.1, NaN])
    expect(() => {
      arena.dropoutMask(0, part, [1, 2], rate);
    }).toThrow(RangeError);
});
