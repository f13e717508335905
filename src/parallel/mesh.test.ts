import fc from 'fast-check';
import { expect, test } from 'vitest';
import { groupNames, groupsOf, meshSize, placeOf, rankAt, type Mesh } from './mesh.js';

// Megatron-LM's documentation of initialize_model_parallel: 16 ranks, 2 of a tensor, 4 stages
test("the groups are Megatron-LM's", () => {
  const mesh = { tensor: 2, pipeline: 4, data: 2 };
  expect(groupsOf('tensor', mesh)).toEqual([
    ...[
      [0, 1],
      [2, 3],
      [4, 5],
      [6, 7],
    ],
    ...[
      [8, 9],
      [10, 11],
      [12, 13],
      [14, 15],
    ],
  ]);
  expect(groupsOf('data', mesh).slice(0, 3)).toEqual([
    [0, 2],
    [1, 3],
    [4, 6],
  ]);
  expect(groupsOf('pipeline', mesh).slice(0, 2)).toEqual([
    [0, 4, 8, 12],
    [1, 5, 9, 13],
  ]);
  expect(groupsOf('model', mesh)[0]).toEqual([0, 1, 4, 5, 8, 9, 12, 13]);
  expect(groupsOf('embedding', mesh)).toContainEqual([0, 12]);
});

const size = fc.integer({ min: 1, max: 4 });
const anyMesh: fc.Arbitrary<Mesh> = fc.record({ tensor: size, pipeline: size, data: size });

test('a place is that of its rank, and each rank is in one group of each kind', () => {
  fc.assert(
    fc.property(anyMesh, (mesh) => {
      const ranks = [...Array(meshSize(mesh)).keys()];
      expect(ranks.map((rank) => rankAt(placeOf(rank, mesh), mesh))).toEqual(ranks);
      for (const name of groupNames)
        expect(
          groupsOf(name, mesh)
            .flat()
            .sort((a, b) => a - b),
        ).toEqual(ranks);
    }),
  );
});
