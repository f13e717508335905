import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/support/workspace.js';
import { createLogReader } from './log-lines.js';

const folder = temporaryFolder();
const line = (iteration: number) =>
  `${JSON.stringify({ kind: 'evaluation', iteration, loss: 7, accuracy: 0.5 })}\n`;

function follow(name: string) {
  const reader = createLogReader(name);
  return async () => {
    const seen: (number | 'reset')[] = [];
    await reader.read(
      ({ iteration }) => seen.push(iteration),
      () => seen.push('reset'),
    );
    return seen;
  };
}

test('lines come as they are written, whole', async () => {
  const name = path.join(folder, 'growing.jsonl');
  const look = follow(name);
  expect(await look()).toEqual([]);
  writeFileSync(name, line(0) + line(1).slice(0, 20));
  expect(await look()).toEqual([0]);
  appendFileSync(name, line(1).slice(20) + line(2));
  expect(await look()).toEqual([1, 2]);
  expect(await look()).toEqual([]);
});

test('a log that is longer than what is read at a time', async () => {
  const name = path.join(folder, 'long.jsonl');
  const numbers = Array.from({ length: 60_000 }, (_, i) => i);
  writeFileSync(name, numbers.map(line).join(''));
  expect(await follow(name)()).toEqual(numbers);
});

test('a log that is replaced or cut is read anew', async () => {
  const name = path.join(folder, 'replaced.jsonl');
  const look = follow(name);
  writeFileSync(name, line(0) + line(1));
  expect(await look()).toEqual([0, 1]);
  // a run that goes on writes what still counts, and renames it into place
  writeFileSync(`${name}.new`, line(0) + line(7) + line(8));
  renameSync(`${name}.new`, name);
  expect(await look()).toEqual(['reset', 0, 7, 8]);
  writeFileSync(name, line(9));
  expect(await look()).toEqual(['reset', 9]);
});

test('what is no event is passed over', async () => {
  const name = path.join(folder, 'hostile.jsonl');
  const others = [
    '',
    'null',
    '[]',
    '{"kind":"step"',
    '{"kind":"other","iteration":1}',
    '{"kind":"evaluation","iteration":-1,"loss":1,"accuracy":1}',
    '{"kind":"evaluation","iteration":1e400,"loss":1,"accuracy":1}',
    '{"kind":"evaluation","iteration":1,"loss":"<b>","accuracy":1}',
    '{"kind":"predictions","iteration":1,"sentences":["text"]}',
    '{"kind":"predictions","iteration":1,"sentences":[[{"word":1,"predicted":"a","probability":1}]]}',
    '\u0000'.repeat(100),
  ];
  writeFileSync(name, others.join('\n') + '\n' + line(3));
  expect(await follow(name)()).toEqual([3]);
});

test('numbers that JSON cannot hold are none', async () => {
  const name = path.join(folder, 'skipped.jsonl');
  writeFileSync(
    name,
    `${JSON.stringify({ kind: 'step', iteration: 1, gradient_norm: NaN, skipped: true })}\n`,
  );
  const events: unknown[] = [];
  await createLogReader(name).read(
    (event) => events.push(event),
    () => undefined,
  );
  expect(events).toMatchObject([{ iteration: 1, skipped: true, gradient_norm: null, lm_loss: null }]);
});
