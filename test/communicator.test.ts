/** Ranks as threads: collectives against sums in a loop, and runs that end with the error of one rank. */
import { describe, expect, test } from 'vitest';
import { launchRanks } from '../src/parallel/launch.js';

interface Task {
  readonly action: string;
  readonly length: number;
}

const module = new URL('./support/communicator-rank.mjs', import.meta.url);
const alone = (tensor: number) => ({ tensor, pipeline: 1, data: 1 });
const launch = (action: string, size: number, length = 0) =>
  launchRanks<Task, string, Float32Array>({ mesh: alone(size), module, task: { action, length } });

/** What rank `rank` brings: see support/communicator-rank.mjs. */
const brought = (rank: number, i: number) => Math.fround(Math.sin(i + 1) * (rank + 1));
const combine = (f: (a: number, b: number) => number, size: number, i: number) =>
  Array.from({ length: size }, (_, rank) => brought(rank, i)).reduce((a, b) => Math.fround(f(a, b)));
const add = (a: number, b: number) => a + b;

// longer than the piece that is exchanged at a time, and no multiple of the ranks
const lengths = [1, 7, 2 ** 18 + 5];

describe.each([2, 3, 4])('%i ranks', (size) => {
  test.each(lengths)('allReduce of %i numbers gives every rank the same bits', async (length) => {
    const results = await launch('sum', size, length);
    const expected = Float32Array.from({ length }, (_, i) => combine(add, size, i));
    for (const result of results)
      expect(Buffer.from(result.buffer).equals(Buffer.from(expected.buffer))).toBe(true);
  });

  test('allReduce takes the greatest', async () => {
    const results = await launch('max', size, 9);
    for (const result of results)
      expect([...result]).toEqual(Array.from({ length: 9 }, (_, i) => combine(Math.max, size, i)));
  });

  test.each(lengths)('allGather of %i numbers each', async (length) => {
    const results = await launch('allGather', size, length);
    const expected = Float32Array.from({ length: length * size }, (_, i) =>
      brought(Math.floor(i / length), i % length),
    );
    for (const result of results)
      expect(Buffer.from(result.buffer).equals(Buffer.from(expected.buffer))).toBe(true);
  });

  test.each(lengths)('reduceScatter to %i numbers each', async (length) => {
    const results = await launch('reduceScatter', size, length);
    results.forEach((result, rank) => {
      const expected = Float32Array.from({ length }, (_, i) => combine(add, size, rank * length + i));
      expect(Buffer.from(result.buffer).equals(Buffer.from(expected.buffer))).toBe(true);
    });
  });
});

describe('a rank that fails ends the run with its error', () => {
  test('by throwing, while the others wait for it', async () => {
    await expect(launch('fail', 3)).rejects.toThrow('rank 1: no more paper');
  });

  test('by ending its thread', async () => {
    await expect(launch('exit', 2)).rejects.toThrow('rank 1: ended with code 3 before it was done');
  });

  test('by not being there', async () => {
    const missing = new URL('./support/nowhere.mjs', import.meta.url);
    await expect(launchRanks({ mesh: alone(2), module: missing, task: {} })).rejects.toThrow('nowhere.mjs');
  });
});

test('a run can be stopped from outside', async () => {
  const controller = new AbortController();
  const run = launchRanks<Task, string, undefined>({
    mesh: alone(2),
    module,
    task: { action: 'wait', length: 0 },
    signal: controller.signal,
    onEvent: (event) => {
      if (event === 'waiting') controller.abort(new Error('enough'));
    },
  });
  await expect(run).rejects.toThrow('enough');
});
