import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Device } from './machine.js';
import { builtInMachines } from './machines.js';
import { passSeconds, productFlops, productSeconds } from './operations.js';

/** 4 processors that do 25 FLOP/s each, and nothing else that takes time. */
const plain: Device = {
  memory: 1,
  peakFlops: { fp16: 100, fp32: 100 },
  sustained: 1,
  processors: 4,
  tiles: [[10, 10]],
  cacheBandwidth: 1e12,
  memoryBandwidth: 1e12,
  elementwiseBandwidth: 1e12,
  launchLatency: 0,
};

test('a product takes whole tiles, and whole waves of them', () => {
  const seconds = (rows: number, columns: number) =>
    productSeconds({ rows, columns, depth: 5 }, plain, 'fp32');
  // 2 · 10 · 10 · 5 FLOP of a tile at 25 FLOP/s
  expect(seconds(20, 20)).toBeCloseTo(40, 4);
  expect(seconds(1, 1)).toBeCloseTo(40, 4);
  expect(seconds(21, 20)).toBeCloseTo(80, 4);
  expect(seconds(20, 40)).toBeCloseTo(80, 4);
  expect(productSeconds({ rows: 10, columns: 10, depth: 5, count: 4 }, plain, 'fp32')).toBeCloseTo(40, 4);
});

test('of several tiles the fastest is taken', () => {
  const product = { rows: 10, columns: 80, depth: 5 };
  const wide: Device = { ...plain, tiles: [[10, 10], [5, 20]] }; // prettier-ignore
  expect(productSeconds(product, wide, 'fp32')).toBeLessThanOrEqual(productSeconds(product, plain, 'fp32'));
});

test('what passes through memory is as fast as memory, after the launch', () => {
  const { device } = builtInMachines['dgx-2h'];
  expect(passSeconds(558e9, device)).toBeCloseTo(1 + 5e-6, 9);
});

const size = fc.integer({ min: 1, max: 4096 });
const products = fc.record({
  rows: size,
  columns: size,
  depth: size,
  count: fc.integer({ min: 1, max: 64 }),
});
const devices = fc.constantFrom(...Object.values(builtInMachines).map(({ device }) => device));

test('no product is faster than the peak, or than memory', () => {
  fc.assert(
    fc.property(products, devices, (product, device) => {
      const seconds = productSeconds(product, device, 'fp16');
      expect(seconds).toBeGreaterThan(productFlops(product) / device.peakFlops.fp16);
      const { rows, columns, depth, count } = product;
      const bytes = 2 * count * (rows * depth + depth * columns + rows * columns);
      expect(seconds).toBeGreaterThan(bytes / device.memoryBandwidth);
    }),
  );
});

test('more of anything makes no product slower, and a larger product is not faster', () => {
  const fields = ['cacheBandwidth', 'memoryBandwidth'] as const;
  fc.assert(
    fc.property(
      products,
      devices,
      fc.constantFrom(...fields),
      fc.double({ min: 1, max: 8, noNaN: true }),
      (product, device, field, factor) => {
        // prettier-ignore
        const seconds = productSeconds(product, device, 'fp16');
        const better = { ...device, [field]: factor * device[field] };
        expect(productSeconds(product, better, 'fp16')).toBeLessThanOrEqual(seconds);
        const larger = { ...product, depth: product.depth + 1, rows: product.rows + 1 };
        expect(productSeconds(larger, device, 'fp16')).toBeGreaterThanOrEqual(seconds);
      },
    ),
  );
});
