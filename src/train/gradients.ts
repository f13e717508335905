/** What ranks do with their gradients between the backward passes of a step and the update. */
import type { Engine } from '../engine/engine.js';
import type { Block } from '../model/blocks.js';
import type { Ranks } from '../parallel/ranks.js';
import { declaredParameters, type AllocatedParameters } from './parameters.js';
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

/**
 * Adds up what several ranks have of the same gradient: of parameters that are in two stages, and of all over the data
 * ranks. Where these share the optimizer, each gets the sum of its share only.
 */
export async function reduceGradients(
  engine: Engine,
  { parameters, buckets }: AllocatedParameters,
  { mesh }: Ranks,
  tied: readonly string[],
): Promise<void> {
  for (const name of tied) {
    const parameter = parameters.get(name);
    if (parameter) await engine.group('embedding').allReduce(parameter.gradient, 'sum');
  }
  if (mesh.data === 1) return;
  const data = engine.group('data');
  for (const { gradients, share } of buckets)
    if (share) await data.reduceScatter(gradients, share.gradients);
    else await data.allReduce(gradients, 'sum');
}
