import { expect, test } from 'vitest';
import { readGzippedJson } from '../../../test/support/fixture.js';
import { glueMetrics, glueTasks, type GlueTask } from './glue.js';

const cases = readGzippedJson('metrics/glue.json.gz') as readonly (readonly [
  task: GlueTask,
  predictions: readonly number[],
  references: readonly number[],
  metrics: Readonly<Record<string, number | 'NaN'>>,
])[];

test.each(glueTasks)('%s is as evaluate has it', (task) => {
  const ofTask = cases.filter(([name]) => name === task);
  expect(ofTask.length).toBeGreaterThanOrEqual(100);
  for (const [, predictions, references, metrics] of ofTask) {
    const expected = Object.entries(metrics).map(([name, value]) => [
      name,
      value === 'NaN' ? NaN : (expect.closeTo(value, 9) as number),
    ]);
    expect(Object.entries(glueMetrics(task, predictions, references))).toEqual(expected);
  }
});

test('another task is refused', () => {
  expect(() => glueMetrics('squad' as GlueTask, [1], [1])).toThrow(
    'task: expected one of cola, sst2, mrpc, stsb, qqp, mnli, mnli_mismatched, qnli, rte, wnli, hans, ax, found "squad"',
  );
});
