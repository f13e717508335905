import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { simulate, type SimulatedEvent, type SimulatedStep } from './simulate.js';

/** Equal stages, and nothing between them. */
const even = (stages: number, microBatches: number, chunks = 1): SimulatedStep => ({
  ...{ stages, microBatches, chunks },
  pieces: (pass) => [{ seconds: (pass === 'forward' ? 1 : 2) / chunks, reduction: 0 }],
  transfer: () => 0,
  overlap: false,
  speedBeside: 1,
  tied: 0,
  update: () => 0,
});

test.each([
  [1, 4],
  [2, 2],
  [4, 8],
  [4, 2],
  [8, 32],
])('1F1B of %s stages and %s micro-batches waits (p − 1)/m of the time', (p, m) => {
  const { bubble, seconds } = simulate(even(p, m));
  expect(bubble).toBeCloseTo((p - 1) / m, 12);
  expect(seconds).toBeCloseTo(3 * (m + p - 1), 9);
});

test.each([
  [2, 4, 2],
  [4, 8, 2],
  [4, 4, 3],
  [4, 16, 3],
  [8, 16, 4],
])('interleaved, %s stages, %s micro-batches and %s chunks, (p − 1)/(vm)', (p, m, v) => {
  expect(simulate(even(p, m, v)).bubble).toBeCloseTo((p - 1) / (v * m), 12);
});

/** Any stages, parts and links. */
const steps = fc
  .record({
    stages: fc.integer({ min: 1, max: 5 }),
    chunks: fc.integer({ min: 1, max: 3 }),
    groups: fc.integer({ min: 1, max: 4 }),
    times: fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 30, maxLength: 30 }),
    transfer: fc.integer({ min: 0, max: 20 }),
    reduction: fc.integer({ min: 0, max: 40 }),
    overlap: fc.boolean(),
    update: fc.integer({ min: 0, max: 9 }),
  })
  .map(({ stages, chunks, groups, times, transfer, reduction, overlap, update }): SimulatedStep => {
    const parts = stages === 1 ? 1 : chunks;
    return {
      stages,
      chunks: parts,
      microBatches: groups * stages,
      pieces: (pass, stage, chunk) => [
        { seconds: times[stage * parts + chunk]! * (pass === 'forward' ? 1 : 2), reduction: 0 },
        { seconds: 1, reduction: pass === 'forward' ? 0 : reduction },
      ],
      transfer: () => transfer,
      ...{ overlap, speedBeside: 0.75, tied: 1, update: () => update },
    };
  });

describe('whatever stages and links are', () => {
  test('a stage does one thing at a time, each pass once', () => {
    fc.assert(
      fc.property(steps, (step) => {
        const { events } = simulate(step);
        for (let stage = 0; stage < step.stages; stage++) {
          const own = events.filter((event) => event.stage === stage).sort((x, y) => x.start - y.start);
          for (const [i, event] of own.entries())
            if (i > 0) expect(event.start).toBeGreaterThanOrEqual(own[i - 1]!.end - 1e-9);
          const passes = own.filter(({ kind }) => kind === 'forward' || kind === 'backward');
          expect(new Set(passes.map((pass) => `${pass.kind} ${pass.chunk} ${pass.microBatch}`)).size).toBe(
            2 * step.chunks * step.microBatches,
          );
        }
      }),
    );
  });

  test('no pass begins before what it takes has come', () => {
    fc.assert(
      fc.property(steps, (step) => {
        const { events } = simulate(step);
        // the model's parts in their order: chunk by chunk, through all stages
        const part = (stage: number, chunk: number) => chunk * step.stages + stage;
        const at = new Map<string, SimulatedEvent>(
          events.flatMap((event) =>
            event.microBatch === undefined
              ? []
              : [[`${event.kind} ${part(event.stage, event.chunk!)} ${event.microBatch}`, event] as const],
          ),
        );
        for (const { kind, stage, chunk, microBatch, start } of at.values()) {
          const own = part(stage, chunk!);
          const wait = step.stages === 1 ? 0 : step.transfer(0, 1);
          const source = at.get(`${kind} ${kind === 'forward' ? own - 1 : own + 1} ${microBatch}`);
          if (source) expect(start).toBeGreaterThanOrEqual(source.end + wait);
          if (kind === 'backward')
            expect(start).toBeGreaterThanOrEqual(at.get(`forward ${own} ${microBatch}`)!.end);
        }
      }),
    );
  });

  test('a step takes longer than the work of any stage, and slower links make it no faster', () => {
    fc.assert(
      fc.property(steps, (step) => {
        const { seconds } = simulate(step);
        for (let stage = 0; stage < step.stages; stage++) {
          const work = Array.from({ length: step.chunks }, (_, chunk) =>
            (['forward', 'backward'] as const).flatMap((pass) => step.pieces(pass, stage, chunk)),
          ).flat();
          const total = work.reduce((sum, piece) => sum + piece.seconds, 0) * step.microBatches;
          expect(seconds).toBeGreaterThanOrEqual(total + step.update(stage) - 1e-9);
        }
        const slower = simulate({ ...step, transfer: () => step.transfer(0, 1) + 5 });
        expect(slower.seconds).toBeGreaterThanOrEqual(seconds - 1e-9);
      }),
    );
  });
});

describe('sums of gradients', () => {
  const step: SimulatedStep = {
    ...even(1, 1),
    pieces: (pass) =>
      Array.from({ length: 3 }, () => ({ seconds: 10, reduction: pass === 'backward' ? 8 : 0 })),
    speedBeside: 0.5,
    update: () => 1,
  };

  test('after the backward pass they are added to it', () => {
    expect(simulate(step).seconds).toBe(30 + 30 + 24 + 1);
  });

  test('beside it they slow it down, and the last has nothing to be beside', () => {
    // from 30: 10 s; 8 s of the next 10 at half the speed, 4 done, 6 left; the same again; the last sum
    expect(simulate({ ...step, overlap: true }).seconds).toBe(30 + 10 + 14 + 14 + 8 + 1);
  });

  test('where they take longer than what is computed, they queue', () => {
    const slow = {
      ...step,
      pieces: () => [{ seconds: 1, reduction: 100 }, { seconds: 1, reduction: 100 }], // prettier-ignore
    };
    expect(simulate({ ...slow, overlap: true }).seconds).toBe(2 + 1 + 200 + 1);
  });
});

test('tied embeddings are summed up when both ends are done, and all update after that', () => {
  const { events, seconds } = simulate({ ...even(3, 3), tied: 4, update: (stage) => stage });
  const end = 3 * (3 + 2);
  expect(events.filter(({ kind }) => kind === 'embeddings').map(({ start }) => start)).toEqual([end, end]);
  expect(seconds).toBe(end + 4 + 2);
});
