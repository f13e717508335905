/** Bytes that each rank keeps while it trains. */
import { mostInFlight, pipelineSchedule } from '../parallel/schedules.js';
import type { Recomputation } from '../train/recomputation.js';
import { elementBytes, type Precision } from './machine.js';
import { paddedFor, type PlannedModel } from './model-sizes.js';
import { rankParameters, type BlockParameters } from './parameters.js';
import type { PlanSettings } from './settings.js';

export interface RankMemory {
  /** In 16 bits also the float32 values that are updated. */
  readonly weights: number;
  readonly gradients: number;
  /** Adam's two. */
  readonly moments: number;
  readonly activations: number;
}

export const totalMemory = ({ weights, gradients, moments, activations }: RankMemory) =>
  weights + gradients + moments + activations;

/**
 * Bytes for each parameter with Adam: 16 in float32, as this program has them; 18 in mixed precision (2 and 4 for the
 * weight, 4 for its gradient, 8 for its moments). A distributed optimizer shares what only the update needs out to the
 * data-parallel ranks: 6 + 12/d.
 */
export function parameterBytes(
  precision: Precision,
  sharedBy: number,
): Pick<RankMemory, 'weights' | 'gradients' | 'moments'> {
  return {
    weights: precision === 'fp16' ? 2 + 4 / sharedBy : 4,
    gradients: 4,
    moments: 8 / sharedBy,
  };
}

interface ActivationOptions {
  readonly microBatchSize: number;
  readonly tensor: number;
  readonly precision: Precision;
  readonly recomputation: Recomputation;
}

/**
 * Bytes of a layer's activations for a micro-batch: arXiv 2205.05198, table 2, with e bytes of a number where it has
 * two, and one byte for each number of a dropout mask:
 * sbh(10 + 24/t + 5as/(ht)) in 16 bits, of which attention's scores are the last term.
 */
export function layerActivations(model: PlannedModel, options: ActivationOptions): number {
  const { hidden_size: h, num_attention_heads: a, intermediate_size: f } = model.config;
  const { microBatchSize: b, tensor: t, precision, recomputation } = options;
  const s = model.sequenceLength;
  const e = elementBytes[precision];
  if (recomputation === 'full') return e * s * b * h;
  // norms' inputs and their outputs, two masks; queries, keys, values and their weighted sum, GELU's input and output
  const linear = s * b * (h * (4 * e + 2) + (4 * e * h + 2 * e * f) / t);
  const scores = (b * a * s ** 2 * (2 * e + 1)) / t;
  return recomputation === 'selective' ? linear : linear + scores;
}

/** @returns bytes of each stage's ranks */
export function stageMemory(
  model: PlannedModel,
  blocks: BlockParameters,
  settings: PlanSettings,
): RankMemory[] {
  const { mesh, precision, distributedOptimizer } = settings;
  const bytes = parameterBytes(precision, distributedOptimizer ? mesh.data : 1);
  return Array.from({ length: mesh.pipeline }, (_, stage) => {
    const parameters = rankParameters(blocks, {
      layers: model.config.num_hidden_layers / mesh.pipeline,
      isFirst: stage === 0,
      isLast: stage === mesh.pipeline - 1,
    });
    return {
      weights: bytes.weights * parameters,
      gradients: bytes.gradients * parameters,
      moments: bytes.moments * parameters,
      activations: stageActivations(model, settings, stage),
    };
  });
}

/** Bytes of activations under each recomputation, of the stage that has most. */
export function activationChoices(
  model: PlannedModel,
  settings: PlanSettings,
): Readonly<Record<Recomputation, number>> {
  const most = (recomputation: Recomputation) =>
    Math.max(
      ...Array.from({ length: settings.mesh.pipeline }, (_, stage) =>
        stageActivations(model, { ...settings, recomputation }, stage),
      ),
    );
  return { none: most('none'), selective: most('selective'), full: most('full') };
}

/** Of as many micro-batches as the stage is ahead of its backward passes at most. */
function stageActivations(model: PlannedModel, settings: PlanSettings, stage: number): number {
  const { mesh, chunks, microBatchSize: b, precision, recomputation, microBatches } = settings;
  const { pipeline: p, tensor: t } = mesh;
  // a stage is never further ahead than this
  const schedule = pipelineSchedule({ stage, stages: p, chunks }, Math.min(microBatches, 2 * p));
  // chunks are alike: so many passes of any of them
  const passes = mostInFlight(
    schedule.map((step) => ({ ...step, chunk: 0 })),
    0,
  );
  const layers = (passes * model.config.num_hidden_layers) / (p * chunks);
  const options = { microBatchSize: b, tensor: t, precision, recomputation };
  const { hidden_size: h, vocab_size: V } = paddedFor(model, t);
  const s = model.sequenceLength;
  const e = elementBytes[precision];
  // while a layer is computed again, it has all that it would have kept
  const again =
    recomputation === 'none'
      ? 0
      : layerActivations(model, { ...options, recomputation: 'none' }) - layerActivations(model, options);
  const embeddings = stage === 0 ? s * b * h * mostInFlight(schedule, 0) : 0;
  // the last norm's input and output, and scores in float32 (section 4.3)
  const heads = stage === p - 1 ? 2 * e * s * b * h + (4 * s * b * V) / t : 0;
  return layers * layerActivations(model, options) + again + embeddings + heads;
}
