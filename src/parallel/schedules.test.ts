import fc from 'fast-check';
import { expect, test } from 'vitest';
import { after, before, mostInFlight, pipelineSchedule, type ScheduleStep } from './schedules.js';

const shortOf = (schedule: readonly ScheduleStep[]) =>
  schedule.map(({ pass, microBatch }) => `${pass === 'forward' ? 'F' : 'B'}${microBatch}`).join(' ');

// arXiv 2104.04473, figure 3: four stages, eight micro-batches
test.each([
  [0, 'F0 F1 F2 F3 B0 F4 B1 F5 B2 F6 B3 F7 B4 B5 B6 B7'],
  [2, 'F0 F1 B0 F2 B1 F3 B2 F4 B3 F5 B4 F6 B5 F7 B6 B7'],
  [3, 'F0 B0 F1 B1 F2 B2 F3 B3 F4 B4 F5 B5 F6 B6 F7 B7'],
])('1F1B of stage %i', (stage, expected) => {
  expect(shortOf(pipelineSchedule({ stage, stages: 4, chunks: 1 }, 8))).toBe(expected);
});

// Megatron-LM's number of forward passes before the first backward pass
test.each([
  [4, 8, 2, [10, 8, 6, 4]],
  [4, 16, 3, [14, 12, 10, 8]],
  [8, 16, 2, [22, 20, 18, 16, 14, 12, 10, 8]],
  [4, 4, 2, [8, 8, 8, 8]],
])('warm-up of %i stages, %i micro-batches and %i chunks', (stages, microBatches, chunks, expected) => {
  const found = expected.map((_, stage) => {
    const schedule = pipelineSchedule({ stage, stages, chunks }, microBatches);
    const first = schedule.findIndex(({ pass }) => pass === 'backward');
    // in the steady state a forward pass comes first
    return first === microBatches * chunks ? first : first - 1;
  });
  expect(found).toEqual(expected);
});

const anyPipeline = fc
  .record({
    stages: fc.integer({ min: 1, max: 6 }),
    chunks: fc.integer({ min: 1, max: 4 }),
    groups: fc.integer({ min: 1, max: 4 }),
    microBatches: fc.integer({ min: 1, max: 12 }),
  })
  .map(({ stages, chunks, groups, microBatches }) =>
    chunks > 1 && stages > 1
      ? { stages, chunks, microBatches: stages * groups }
      : { stages, chunks: 1, microBatches },
  );

test('every pass is done once, and none waits for ever, messages being received in the order of sending', () => {
  fc.assert(
    fc.property(anyPipeline, ({ stages, chunks, microBatches }) => {
      const places = Array.from({ length: stages }, (_, stage) => ({ stage, stages, chunks }));
      const left = places.map((place) => pipelineSchedule(place, microBatches));
      for (const schedule of left)
        expect(new Set(schedule.map((step) => JSON.stringify(step))).size).toBe(2 * microBatches * chunks);
      /** What was sent and not received, from one stage to another. */
      const messages = new Map<string, string[]>();
      const between = (from: number, to: number) => {
        const key = `${from} to ${to}`;
        if (!messages.has(key)) messages.set(key, []);
        return messages.get(key)!;
      };
      for (let moved = true; moved;) {
        moved = false;
        for (const place of places) {
          const step = left[place.stage]![0];
          if (!step) continue;
          const { pass, microBatch, chunk } = step;
          const [source, target] =
            pass === 'forward'
              ? [before(place, chunk), after(place, chunk)]
              : [after(place, chunk), before(place, chunk)];
          if (source) {
            const [first] = between(source.stage, place.stage);
            if (first === undefined) continue;
            expect(first).toBe(`${pass} ${microBatch} ${chunk}`);
            between(source.stage, place.stage).shift();
          }
          if (target) between(place.stage, target.stage).push(`${pass} ${microBatch} ${target.chunk}`);
          left[place.stage]!.shift();
          moved = true;
        }
      }
      expect(left.flat()).toEqual([]);
    }),
  );
});

test('a stage keeps no more micro-batches than there are stages from it on', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 40 }), (stages, microBatches) => {
      for (let stage = 0; stage < stages; stage++)
        expect(mostInFlight(pipelineSchedule({ stage, stages, chunks: 1 }, microBatches), 0)).toBe(
          Math.min(stages - stage, microBatches),
        );
    }),
  );
});
