import { mkdir, readdir, readFile, writeFile, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { temporaryFolder } from '../../../test/support/workspace.js';
import { partLayout, takePart } from '../../partition.js';
import { findTrainingCheckpoint, openTrainingCheckpoint } from './read.js';
import { writeTrainingCheckpoint, type PartState } from './write.js';

/** What goes wrong on the disk: the number of the operation counts down. */
const fault = vi.hoisted(() => ({ kind: 'none', after: 0 }));
const isDue = vi.hoisted(() => (kind: string) => fault.kind === kind && fault.after-- === 0);

vi.mock('node:fs/promises', async (importOriginal) => {
  const real = await importOriginal<Record<string, (...values: unknown[]) => Promise<unknown>>>();
  const failing = (code: string) => Object.assign(new Error(`${code}: injected`), { code });
  return {
    ...real,
    async open(...values: unknown[]) {
      if (isDue('open')) throw failing('EIO');
      const handle = (await real.open!(...values)) as FileHandle;
      const write = handle.write.bind(handle) as (...all: unknown[]) => Promise<unknown>;
      return Object.assign(handle, {
        write: (data: Uint8Array, offset: number, length: number, position: number | null) => {
          if (isDue('full disk')) throw failing('ENOSPC');
          // a short write is none that failed: the rest must follow
          const part = isDue('short write') ? Math.max(1, length >> 1) : length;
          return write(data, offset, part, position);
        },
      });
    },
    rename: (...values: unknown[]) => {
      if (isDue('rename')) throw failing('EACCES');
      return real.rename!(...values);
    },
  };
});

const root = temporaryFolder();
let folder: string;
let count = 0;
beforeEach(() => {
  fault.kind = 'none';
  folder = path.join(root, String(count++));
});

const shape = [4, 6];
const numbers = (start: number) => Float32Array.from({ length: 24 }, (_, i) => start + i);

/** Split along an axis, as ranks hold it, and a parameter that all hold. */
function statesOf(start: number, ranks: number, axis: number): PartState[] {
  const part = (rank: number, whole: Float32Array) => {
    const own = new Float32Array(24 / ranks);
    takePart(whole, partLayout(shape, axis, ranks, rank), own);
    return own;
  };
  return Array.from({ length: ranks }, (_, rank) => ({
    place: { tensor: rank, pipeline: 0, share: 0 },
    parameters: [
      {
        name: 'split',
        shape: shape.map((size, i) => (i === axis ? size / ranks : size)),
        value: part(rank, numbers(start)),
        moments: { first: part(rank, numbers(start + 100)), second: part(rank, numbers(start + 200)) },
        start: 0,
      },
      {
        name: 'whole',
        shape,
        value: numbers(start),
        moments: { first: numbers(start + 1), second: numbers(start + 2) },
        start: 0,
      },
    ],
  }));
}

const write = (iteration: number, ranks = 2, axis = 0, rotation = {}) =>
  writeTrainingCheckpoint(
    folder,
    {
      iteration,
      consumed_samples: 4 * iteration,
      skipped_iterations: 1,
      recent_losses: [3.5, 0.1],
      tensor_model_parallel_size: ranks,
      pipeline_model_parallel_size: 1,
      optimizer_shares: 1,
      run: { seed: 5 },
    },
    statesOf(iteration, ranks, axis),
    rotation,
  );

const warnings: string[] = [];
const find = () => findTrainingCheckpoint(folder, (message) => warnings.push(message));

describe('what ranks wrote is put together', () => {
  test.each([
    [1, 0],
    [2, 0],
    [2, 1],
    [3, 1],
  ])('%i ranks, split along axis %i', async (ranks, axis) => {
    await write(7, ranks, axis);
    const found = (await find())!;
    expect(found.manifest).toMatchObject({
      iteration: 7,
      consumed_samples: 28,
      skipped_iterations: 1,
      recent_losses: [3.5, 0.1],
    });
    const checkpoint = await openTrainingCheckpoint(found);
    expect(await checkpoint.read('split', { shape, partition: axis }, ['first', 'second'])).toEqual({
      value: numbers(7),
      moments: { first: numbers(107), second: numbers(207) },
    });
    expect(await checkpoint.read('whole', { shape }, ['second'])).toEqual({
      value: numbers(7),
      moments: { second: numbers(9) },
    });
    await expect(checkpoint.read('split', { shape: [4, 7], partition: axis }, [])).rejects.toThrow(
      /split: expected \[.*\], found \[/,
    );
    await expect(checkpoint.read('other', { shape, partition: axis }, [])).rejects.toThrow('found none');
    await expect(checkpoint.read('whole', { shape }, ['third'])).rejects.toThrow(
      'third.whole: expected [4, 6], found none',
    );
    await checkpoint.close();
  });
});

test('the newest are kept, and multiples for good', async () => {
  for (const iteration of [10, 20, 30, 40, 50]) await write(iteration, 1, 0, { keepLast: 2, keepEvery: 20 });
  expect((await readdir(folder)).sort()).toEqual([
    'iter_0000020',
    'iter_0000040',
    'iter_0000050',
    'latest_checkpointed_iteration.txt',
  ]);
});

test('there is none', async () => {
  expect(await find()).toBeUndefined();
  await mkdir(folder);
  expect(await find()).toBeUndefined();
  await writeFile(path.join(folder, 'latest_checkpointed_iteration.txt'), '5');
  await expect(find()).rejects.toThrow('names iteration 5, but there is no checkpoint');
});

test('what a process that is gone had begun is removed', async () => {
  await mkdir(path.join(folder, '.iter_0000005.incomplete-999999999', 'mp_rank_00'), { recursive: true });
  await write(6);
  expect(await readdir(folder)).toEqual(['iter_0000006', 'latest_checkpointed_iteration.txt']);
});

describe('a disk that fails leaves the checkpoint before as it was', () => {
  const operations = { open: 12, 'full disk': 30, 'short write': 30, rename: 8 };
  test.each(Object.entries(operations))('%s', async (kind, most) => {
    let failures = 0;
    for (let after = 0; after < most; after++) {
      fault.kind = 'none';
      folder = path.join(root, `${kind}-${after}`);
      await write(1);
      Object.assign(fault, { kind, after });
      const failed = await write(2).then(
        () => false,
        () => true,
      );
      fault.kind = 'none';
      if (failed) failures++;
      const found = (await find())!;
      // a failure after the folder is in place is one that the new checkpoint outlives
      expect([1, 2]).toContain(found.manifest.iteration);
      if (!failed) expect(found.manifest.iteration).toBe(2);
      const checkpoint = await openTrainingCheckpoint(found);
      const { value } = await checkpoint.read('split', { shape, partition: 0 }, []);
      expect(value).toEqual(numbers(found.manifest.iteration));
      await checkpoint.close();
      const tracker = await readFile(path.join(folder, 'latest_checkpointed_iteration.txt'), 'utf8');
      expect(Number(tracker)).toBeLessThanOrEqual(found.manifest.iteration);
      expect((await readdir(folder)).filter((name) => name.includes('incomplete'))).toEqual([]);
    }
    if (kind === 'short write') expect(failures).toBe(0);
    else expect(failures).toBeGreaterThan(3);
  });
});
