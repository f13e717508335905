import { expect, test } from 'vitest';
import { addEvent, emptyHistory, measures, type LoggedStep } from './history.js';

const step = (iteration: number, values: Partial<LoggedStep> = {}): LoggedStep => ({
  kind: 'step',
  iteration,
  ...(Object.fromEntries(measures.map((name) => [name, 1])) as Record<(typeof measures)[number], number>),
  ...values,
});

test('a long run becomes means of neighbours, of which none is lost', () => {
  const history = emptyHistory();
  const losses = Array.from({ length: 9_999 }, (_, i) => Math.sin(i) + 5);
  for (const [i, lm_loss] of losses.entries()) addEvent(history, step(i + 1, { lm_loss }));
  expect(history.steps.length).toBeLessThanOrEqual(1000);
  expect(history.steps.length).toBeGreaterThan(500);
  let before = 0;
  for (const { iteration, count, lm_loss } of history.steps) {
    expect(iteration - before).toBe(count);
    const own = losses.slice(before, iteration);
    expect(lm_loss).toBeCloseTo(own.reduce((sum, loss) => sum + loss, 0) / count, 10);
    before = iteration;
  }
  expect(before).toBe(losses.length);
});

test('where there is no number there is none, and a mean is that of the others', () => {
  const history = emptyHistory();
  history.width = 2;
  addEvent(history, step(1, { gradient_norm: null, skipped: true }));
  expect(history.steps[0]!.gradient_norm).toBeNull();
  addEvent(history, step(2, { gradient_norm: 3 }));
  expect(history.steps).toMatchObject([{ iteration: 2, count: 2, gradient_norm: 3 }]);
  expect(history.skipped).toBe(1);
});

test('of many evaluations every second is left out, but never the newest', () => {
  const history = emptyHistory();
  for (let iteration = 0; iteration < 5000; iteration++) {
    addEvent(history, { kind: 'evaluation', iteration, loss: 1, accuracy: 0 });
    addEvent(history, { kind: 'predictions', iteration, sentences: [] });
    expect(history.evaluations.at(-1)!.iteration).toBe(iteration);
    expect(history.predictions.at(-1)!.iteration).toBe(iteration);
  }
  expect(history.evaluations.length).toBeLessThanOrEqual(1000);
  expect(history.predictions.length).toBeLessThanOrEqual(100);
});
