import fc from 'fast-check';
import { groupNames, type GroupName, type Mesh } from '../../src/parallel/mesh.js';

/** One operation that all ranks of a group do: see perform-collectives.mjs. */
export interface CollectiveCase {
  readonly operation: (typeof operations)[number];
  readonly group: GroupName;
  readonly length: number;
  /** Of a broadcast, up to the size of the group. */
  readonly root: number;
  /** Of messages to each other rank. */
  readonly count: number;
  readonly seed: number;
  /** Whether infinities, NaN, zeros of both signs and numbers near the ends of the range are among them. */
  readonly special: boolean;
  readonly memory: 'plain' | 'shared' | 'WebAssembly';
}

const operations = [
  'sum',
  'max',
  'allGather',
  'reduceScatter',
  'broadcast',
  'started sums',
  'messages',
] as const;
const memories = ['plain', 'shared', 'WebAssembly'] as const;

/** None, one, few, more than go at once, and no multiple of the ranks. */
const lengths = [0, 1, 3, 2047, 2 ** 11 + 1, 2 ** 18 + 5];

/** Every operation with every length. */
export const fixedCases: readonly CollectiveCase[] = operations.flatMap((operation) =>
  lengths.map((length, i) => ({
    operation,
    group: 'world' as const,
    length,
    root: i,
    count: 2,
    seed: i,
    special: false,
    memory: memories[i % memories.length]!,
  })),
);

/** Any operation in any group, with numbers of all kinds. */
export function arbitraryCases(
  messageGroups: readonly GroupName[] = groupNames,
): fc.Arbitrary<CollectiveCase> {
  return fc
    .record({
      operation: fc.constantFrom(...operations),
      group: fc.constantFrom(...groupNames),
      messageGroup: fc.constantFrom(...messageGroups),
      length: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 10_000 })),
      root: fc.nat(7),
      count: fc.integer({ min: 1, max: 4 }),
      seed: fc.nat(),
      special: fc.boolean(),
      memory: fc.constantFrom(...memories),
    })
    .map(({ messageGroup, ...one }) =>
      one.operation === 'messages' ? { ...one, group: messageGroup } : one,
    );
}

/** Meshes of so many ranks that differ in their groups. */
export const meshesOf: Readonly<Record<number, readonly Mesh[]>> = {
  2: [{ tensor: 2, pipeline: 1, data: 1 }],
  3: [{ tensor: 1, pipeline: 3, data: 1 }],
  4: [
    { tensor: 2, pipeline: 2, data: 1 },
    { tensor: 1, pipeline: 2, data: 2 },
    { tensor: 1, pipeline: 4, data: 1 },
  ],
};
