import { expect, test } from 'vitest';
import { comparePaper } from './paper.js';

const { baseline, rows, checks, later } = comparePaper();

test('the rate on one device is near the published one', () => {
  expect(baseline.simulated / baseline.published).toBeGreaterThan(0.95);
  expect(baseline.simulated / baseline.published).toBeLessThan(1.05);
});

// the one row that is not explained: see docs/planning.md
const isOpen = ({ model, data }: { model: string; data: number }) => model === 'gpt2-2.5b' && data === 64;

test('weak scaling is within four points of the published, but for one row', () => {
  expect(rows).toHaveLength(8);
  for (const { published, simulated } of rows.filter((row) => !isOpen(row)))
    expect(Math.abs(simulated - published)).toBeLessThan(4);
  // what docs/planning.md says of it
  const open = rows.find(isOpen)!;
  expect(open.simulated - open.published).toBeGreaterThan(8);
  expect(open.simulated - open.published).toBeLessThan(11);
});

test('more heads, and sums after the backward pass, cost what they cost', () => {
  const inPercent = checks.filter(({ what }) => what.endsWith('per cent'));
  expect(inPercent).toHaveLength(4);
  for (const { published, simulated } of inPercent) expect(Math.abs(simulated - published)).toBeLessThan(4.5);
});

test('rates on another machine, with pipelines, are within eight per cent', () => {
  expect(later).toHaveLength(10);
  for (const { published, estimate } of later)
    expect(Math.abs(estimate.flopsPerDevice / published - 1)).toBeLessThan(0.08);
});

test('what ran fits', () => {
  for (const { estimate } of [...rows, ...later]) expect(estimate.fits).toBe(true);
});
