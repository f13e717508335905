import type { Block } from '../model/blocks.js';
import type { Parameter } from '../model/parameters.js';
import type { PipelinePlace } from '../parallel/schedules.js';
import { declaredParameters } from './parameters.js';

/** A part of the chain of blocks. */
export interface StageBlocks {
  /** The first one's number in the chain. */
  readonly first: number;
  readonly blocks: readonly Block[];
}

/**
 * The blocks of each of a stage's chunks. Layers are shared out as equally as their number allows, in their order; the
 * embeddings go with the first, and the heads with the last.
 */
export function stageBlocks(
  blocks: readonly Block[],
  { stage, stages, chunks }: PipelinePlace,
): StageBlocks[] {
  const layers = blocks.length - 2;
  const parts = stages * chunks;
  return Array.from({ length: chunks }, (_, chunk) => {
    const part = chunk * stages + stage;
    const first = part === 0 ? 0 : 1 + Math.floor((part * layers) / parts);
    const end = part === parts - 1 ? blocks.length : 1 + Math.floor(((part + 1) * layers) / parts);
    return { first, blocks: blocks.slice(first, end) };
  });
}

export interface StagedParameter {
  readonly name: string;
  readonly declaration: Parameter;
  /** The first that has it. */
  readonly stage: number;
}

/** Every parameter of a model, in the order of its blocks. */
export function stagedParameters(
  blocks: readonly Block[],
  { stages, chunks }: Pick<PipelinePlace, 'stages' | 'chunks'>,
): StagedParameter[] {
  const stageOf = new Map<string, number>();
  for (let stage = stages - 1; stage >= 0; stage--)
    for (const own of stageBlocks(blocks, { stage, stages, chunks }))
      for (const name of declaredParameters(own.blocks).keys()) stageOf.set(name, stage);
  return [...declaredParameters(blocks)].map(([name, declaration]) => ({
    ...{ name, declaration },
    stage: stageOf.get(name)!,
  }));
}
