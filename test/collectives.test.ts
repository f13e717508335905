/** Ranks as threads: collectives and messages, in groups of meshes, against loops. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { launchRanks } from '../src/parallel/launch.js';
import type { Mesh } from '../src/parallel/mesh.js';
import { arbitraryCases, fixedCases, meshesOf, type CollectiveCase } from './support/collective-cases.js';

const module = new URL('./support/collective-rank.mjs', import.meta.url);
const run = (mesh: Mesh, cases: readonly CollectiveCase[], small = 0) =>
  launchRanks<object, never, string[]>({ mesh, module, task: { cases, small } });

// messages go along the pipeline only
const inPipelines = (one: CollectiveCase): CollectiveCase =>
  one.operation === 'messages' ? { ...one, group: 'pipeline' } : one;

describe.each(Object.values(meshesOf).flat())(
  '$tensor (tensor) × $pipeline (pipeline) × $data (data) ranks',
  (mesh) => {
    test('operations give what a loop gives', async () => {
      const cases = [...fixedCases.map(inPipelines), ...fc.sample(arbitraryCases(['pipeline']), 200)];
      expect((await run(mesh, cases)).flat()).toEqual([]);
    });
  },
);

test('100,000 small operations', async () => {
  expect((await run({ tensor: 2, pipeline: 1, data: 1 }, [], 100_000)).flat()).toEqual([]);
});
