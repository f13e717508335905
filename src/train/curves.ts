/** What every drawing of curves needs; also in a page. */

/** A round step that divides `range` into about `count`. */
export function tickStep(range: number, count: number): number {
  const raw = range / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  return power * ([1, 2, 5].find((factor) => factor * power >= raw) ?? 10);
}

/** About `count` round numbers between the two. */
export function ticks(from: number, to: number, count: number): number[] {
  const step = tickStep(to - from, count);
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.floor(to / step) - first + 1 }, (_, i) => (first + i) * step);
}

/** Exponential moving average: single steps are noisy. */
export function smooth(values: readonly number[]): number[] {
  let running = values[0] ?? 0;
  return values.map((value) => (running = 0.9 * running + 0.1 * value));
}
