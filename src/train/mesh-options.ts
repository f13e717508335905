/** How a run is divided over ranks, checked with its model and batch before anything starts. */
import { InputError } from '../errors.js';
import type { TransformerConfig } from '../model/config.js';
import { checkMesh, type Mesh } from '../parallel/mesh.js';
import type { BatchSchedule } from './schedule.js';

export interface MeshOptions {
  /** Ranks that share each layer's matrices; 1 by default, as the others. */
  readonly tensorModelParallelSize?: number;
  /** Ranks that share the layers: the pipeline's stages. */
  readonly pipelineModelParallelSize?: number;
  /** Replicas of the model, which share the batch; of processes, as many as there are, by default. */
  readonly dataParallelSize?: number;
  /** Gives each stage several parts of so many layers, which are interleaved. */
  readonly numLayersPerVirtualPipelineStage?: number;
  /** Tensor ranks share the rows of what is between the split matrices: less memory, as much communication. */
  readonly sequenceParallel?: boolean;
  /** The file or name of the MPI library, where ranks are processes; by default that of the launcher. */
  readonly mpiLibrary?: string;
  /** How long a rank waits for another before it takes it for lost; 10 by default. */
  readonly distributedTimeoutMinutes?: number;
  /** How often a run goes on from its last checkpoint after a rank was lost; never by default. */
  readonly restarts?: number;
  /** Each data rank keeps and updates its share of the optimizer's state. */
  readonly useDistributedOptimizer?: boolean;
}

/**
 * @param processes that were started to be ranks, where these are processes
 * @throws InputError for a size that is none, or that the processes cannot make up
 */
export function resolveMesh(options: MeshOptions, processes?: number): Mesh {
  const { tensorModelParallelSize: tensor = 1, pipelineModelParallelSize: pipeline = 1 } = options;
  const data = options.dataParallelSize ?? (processes ?? tensor * pipeline) / (tensor * pipeline);
  const isWhole = processes === undefined || tensor * pipeline * data === processes;
  if (!isWhole || !Number.isInteger(data))
    throw new InputError(
      `expected a multiple of ${tensor * pipeline * (options.dataParallelSize ?? 1)} processes, ${tensor} (tensor) × ${pipeline} (pipeline) × data-parallel ranks, found ${processes}`,
    );
  checkMesh({ tensor, pipeline, data });
  return { tensor, pipeline, data };
}

/** @returns the parts of the model that each stage has @throws InputError saying what would work */
export function resolveChunks(
  { numLayersPerVirtualPipelineStage: perChunk }: MeshOptions,
  { pipeline }: Mesh,
  { num_hidden_layers: layers }: TransformerConfig,
): number {
  if (layers < pipeline)
    throw new InputError(
      `pipeline-parallel size: expected at most ${layers}, a layer for each stage, found ${pipeline}`,
    );
  if (perChunk === undefined) return 1;
  if (pipeline === 1)
    throw new InputError(
      'layers of a virtual pipeline stage: expected a pipeline-parallel size of 2 or more, found 1',
    );
  const perStage = layers / pipeline;
  if (!Number.isInteger(perChunk) || perChunk < 1 || perStage % perChunk !== 0)
    throw new InputError(
      `layers of a virtual pipeline stage: expected a divisor of the ${perStage} layers of each stage (${layers} layers, ${pipeline} stages), found ${perChunk}`,
    );
  return perStage / perChunk;
}

/** @throws InputError where rows cannot be shared out */
export function checkSequenceParallel(
  { sequenceParallel = false }: MeshOptions,
  { tensor }: Mesh,
  rows: number,
): void {
  if (sequenceParallel && rows % tensor !== 0)
    throw new InputError(
      `sequence parallelism: expected a micro-batch of a multiple of ${tensor} tokens, found ${rows}`,
    );
}

/** @throws InputError where batches cannot be shared out, saying what would work */
export function checkBatches(
  { globalBatchSize, microBatchSize, rampUp }: BatchSchedule,
  { data, pipeline }: Mesh,
  chunks: number,
): void {
  const perStep = microBatchSize * data;
  const shared =
    data === 1
      ? `the micro-batch size ${microBatchSize}`
      : `${perStep}, the micro-batch size ${microBatchSize} times ${data} data ranks`;
  // micro-batches go round the stages in groups of as many
  const multiple = chunks === 1 ? perStep : perStep * pipeline;
  const expected =
    chunks === 1 ? shared : `${multiple}, ${shared} times ${pipeline} stages, whose parts are interleaved`;
  const closest = Math.max(1, Math.round(globalBatchSize / multiple)) * multiple;
  if (globalBatchSize % multiple !== 0)
    throw new InputError(
      `global batch size: expected a multiple of ${expected}, such as ${closest}, found ${globalBatchSize}`,
    );
  if (rampUp && (rampUp.start % multiple !== 0 || rampUp.increment % multiple !== 0))
    throw new InputError(
      `batch ramp-up: expected multiples of ${expected}, found ${rampUp.start} and ${rampUp.increment}`,
    );
}
