import { expect, test } from 'vitest';
import { xmlProblem } from '../../../test/support/well-formed.js';
import { readSweep } from './configuration.js';
import { scatterPicture } from './scatter.js';
import { sweepPage } from './sweep-page.js';
import { shownParameters, sweepTable } from './sweep-table.js';

const results = {
  sweep: await readSweep({
    method: 'random',
    parameters: {
      learning_rate: { min: 2e-5, max: 1e-3, distribution: 'log_uniform' },
      lr_scheduler_type: { values: ['linear', 'cosine'] },
    },
    budget: { runs: 3 },
  }),
  objective: { metric: 'eval_loss', greater_is_better: false },
  runs: [
    { run: 1, parameters: { learning_rate: 1e-3, lr_scheduler_type: 'linear' }, seconds: 2, objective: 0.75 },
    {
      run: 2,
      parameters: { learning_rate: 2e-5, lr_scheduler_type: 'cosine' },
      seconds: 1,
      error: 'a <b> & c',
    },
    {
      run: 3,
      parameters: { learning_rate: 3.14159e-5, lr_scheduler_type: 'cosine' },
      seconds: 2,
      objective: 0.5,
    },
  ],
  best: 3,
};

test('the table has the best run first and those that failed last', () => {
  expect(sweepTable(results)).toEqual({
    head: ['run', 'learning_rate', 'lr_scheduler_type', 'eval_loss', 'seconds'],
    rows: [
      { isBest: true, hasFailed: false, cells: ['3', '3.14e-5', 'cosine', '0.5', '2.0'] },
      { isBest: false, hasFailed: false, cells: ['1', '0.001', 'linear', '0.75', '2.0'] },
      { isBest: false, hasFailed: true, cells: ['2', '2e-5', 'cosine', 'failed', '1.0'] },
    ],
  });
  expect(shownParameters(results.runs[0]!.parameters)).toBe('learning_rate 0.001, lr_scheduler_type linear');
});

test('the page has a drawing for each parameter, and errors are texts', () => {
  const page = sweepPage('my-sweep', results);
  expect(page.match(/<svg/g)).toHaveLength(2);
  expect(page).toContain('failed: a &lt;b&gt; &amp; c');
  expect(page).not.toContain('run-2/report.html');
});

test('a drawing has each run where its value is', () => {
  const xs = (
    choice: Parameters<typeof scatterPicture>[0]['choice'],
    values: readonly (number | string)[],
  ) => {
    const points = values.map((x) => ({ x, y: 1, isBest: false, name: 'run' }));
    const drawn = scatterPicture({ xName: 'a & b', yName: 'loss', choice, points });
    expect(xmlProblem(drawn)).toBeUndefined();
    return [...drawn.matchAll(/<circle[^>]* cx="([\d.]+)"/g)].map(([, x]) => Number(x));
  };
  for (const [choice, values] of [
    [{ min: 1e-5, max: 1e-3, distribution: 'log_uniform' }, [1e-5, 1e-4, 1e-3]],
    [{ min: 1, max: 3, distribution: 'int_uniform' }, [1, 2, 3]],
    [{ values: ['x', 'y', 'z'] }, ['x', 'y', 'z']],
  ] as const) {
    const [low, middle, high] = xs(choice, values) as [number, number, number];
    expect(middle - low).toBeCloseTo(high - middle, 0);
    expect(low).toBeLessThan(middle);
  }
});
