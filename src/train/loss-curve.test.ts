import { expect, test } from 'vitest';
import { lossCurve } from './loss-curve.js';

const points = [8, 7, 6.5].map((loss, i) => ({ iteration: 10 * i, loss }));

/** The points of each line, as numbers. */
const lines = (svg: string) =>
  [...svg.matchAll(/points="([^"]*)"/g)].map(([, list]) =>
    list!.split(' ').map((pair) => pair.split(',').map(Number) as [number, number]),
  );

test('lower losses are drawn lower, later iterations further right', () => {
  for (const line of lines(lossCurve(points, points, 'a run'))) {
    expect(line.length).toBe(3);
    for (const [i, [x, y]] of line.entries()) {
      if (i === 0) continue;
      expect(x).toBeGreaterThan(line[i - 1]![0]);
      expect(y).toBeGreaterThan(line[i - 1]![1]);
    }
  }
});

test('a title is text, whatever is in it', () => {
  expect(lossCurve(points, [], '<script>&')).toContain('&lt;script&gt;&amp;');
});

test('one point, or losses that do not change, can be drawn', () => {
  for (const few of [points.slice(0, 1), points.map((point) => ({ ...point, loss: 7 }))])
    expect(lossCurve(few, few, 'a run')).not.toMatch(/NaN|Infinity/);
});

test('a long run is thinned out, to means', () => {
  const long = Array.from({ length: 12_345 }, (_, i) => ({ iteration: i + 1, loss: i % 2 === 0 ? 4 : 6 }));
  const [raw] = lines(lossCurve(long, [], 'a run'));
  expect(raw!.length).toBeLessThanOrEqual(1000);
  expect(raw!.length).toBeGreaterThan(500);
});
