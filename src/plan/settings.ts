/** How a model is to be trained: over which mesh, in which batches. */
import { InputError } from '../errors.js';
import { checkMesh, type Mesh } from '../parallel/mesh.js';
import type { Recomputation } from '../train/recomputation.js';
import type { Precision } from './machine.js';
import type { PlannedModel } from './model-sizes.js';

export interface BatchSettings {
  readonly globalBatchSize: number;
  readonly precision: Precision;
  /** Whether what only the update needs is shared out to the data-parallel ranks. */
  readonly distributedOptimizer: boolean;
}

/** What a search may choose. */
export interface Choice {
  readonly mesh: Mesh;
  readonly microBatchSize: number;
  /** Parts of the model on each stage: more than one are interleaved. */
  readonly chunks: number;
  readonly recomputation: Recomputation;
}

export interface PlanSettings extends BatchSettings, Choice {
  /** Of each data-parallel rank, for an update. */
  readonly microBatches: number;
}

/** @throws InputError naming the sizes that do not go together */
export function settingsOf(model: PlannedModel, batch: BatchSettings, choice: Choice): PlanSettings {
  const { globalBatchSize, precision, distributedOptimizer } = batch;
  const { mesh, microBatchSize, chunks, recomputation } = choice;
  checkMesh(mesh);
  const { num_hidden_layers: layers } = model.config;
  requireMultiple('layers', layers, 'stages × chunks', mesh.pipeline * chunks);
  requireMultiple(
    'global batch size',
    globalBatchSize,
    'micro-batch size × data-parallel size',
    microBatchSize * mesh.data,
  );
  const microBatches = globalBatchSize / (microBatchSize * mesh.data);
  if (chunks > 1) {
    if (mesh.pipeline === 1) throw new InputError('chunks: expected 1 where there is one stage');
    requireMultiple('micro-batches', microBatches, 'stages (of interleaved schedules)', mesh.pipeline);
  }
  return {
    ...{ globalBatchSize, precision, distributedOptimizer },
    ...{ mesh, microBatchSize, chunks, recomputation, microBatches },
  };
}

function requireMultiple(name: string, value: number, ofWhat: string, divisor: number): void {
  if (value % divisor !== 0)
    throw new InputError(`${name}: expected a multiple of ${ofWhat} (${divisor}), found ${value}`);
}
