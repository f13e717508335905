/** What ranks do with their gradients between the backward passes of a step and the update. */
import type { Engine, StartedSum } from '../engine/engine.js';
import type { Block } from '../model/blocks.js';
import type { Ranks } from '../parallel/ranks.js';
import { declaredParameters, type AllocatedParameters, type Bucket } from './parameters.js';
import { stageBlocks } from './stages.js';

/** Names of what the first and the last of several stages both have: the word embeddings, where the heads use them. */
export function tiedParameters(blocks: readonly Block[], stages: number, chunks: number): string[] {
  if (stages === 1) return [];
  const namesOf = (stage: number) => [
    ...declaredParameters(
      stageBlocks(blocks, { stage, stages, chunks }).flatMap((chunk) => chunk.blocks),
    ).keys(),
  ];
  const last = new Set(namesOf(stages - 1));
  return namesOf(0).filter((name) => last.has(name));
}

/** The sums of a step. */
export interface GradientSums {
  /** To be told of each backward pass of a block, by the names of its parameters. */
  readonly computed: (names: readonly string[]) => void;
  /** Returns when every gradient is the sum. */
  readonly finish: () => Promise<void>;
}

/**
 * Adds up what several ranks have of the same gradient: of parameters that are in two stages, and of all over the data
 * ranks. Where these share the optimizer, each gets the sum of its share only. A bucket's sum begins as soon as its last
 * gradient is computed, and goes on beside the rest of the backward passes.
 *
 * @param blocks of this rank, in all its chunks
 * @param tied see `tiedParameters`
 * @returns what begins the sums of a step of so many micro-batches
 */
export function createGradientSums(
  engine: Engine,
  { parameters, buckets }: AllocatedParameters,
  { mesh }: Ranks,
  blocks: readonly Block[],
  tied: readonly string[],
): (microBatches: number) => GradientSums {
  const bucketOf = new Map(buckets.flatMap((bucket) => bucket.names.map((name) => [name, bucket] as const)));
  const bucketsOf = (names: readonly string[]) => new Set(names.flatMap((name) => bucketOf.get(name) ?? []));
  const touched = blocks.map((block) => bucketsOf([...declaredParameters([block]).keys()]));
  const blocksOf = new Map(
    buckets.map((bucket) => [bucket, touched.filter((of) => of.has(bucket)).length] as const),
  );
  const ownTied = tied.filter((name) => parameters.get(name)?.gradient);
  const late = bucketsOf(ownTied);

  return (microBatches) => {
    const missing = new Map([...blocksOf].map(([bucket, count]) => [bucket, count * microBatches]));
    const started = new Map<Bucket, StartedSum>();
    const start = (bucket: Bucket) => {
      if (mesh.data > 1)
        started.set(bucket, engine.group('data').startSum(bucket.gradients, bucket.share?.gradients));
    };
    return {
      computed(names) {
        for (const sum of started.values()) sum.advance();
        for (const bucket of bucketsOf(names)) {
          const left = missing.get(bucket)! - 1;
          missing.set(bucket, left);
          if (left === 0 && !late.has(bucket)) start(bucket);
        }
      },
      async finish() {
        for (const name of ownTied)
          await engine.group('embedding').allReduce(parameters.get(name)!.gradient!, 'sum');
        late.forEach(start);
        for (const sum of started.values()) await sum.finish();
      },
    };
  };
}
