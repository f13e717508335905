/** How long a rank takes for each part of the model, forward and back. */
import type { Recomputation } from '../train/recomputation.js';
import { meshSize } from '../parallel/mesh.js';
import { allReduceSeconds, groupAlong, hostCopySeconds } from './communication.js';
import {
  embeddingsBackward,
  embeddingsForward,
  headsBackward,
  headsForward,
  layerBackward,
  layerForward,
  layerRecomputed,
  reducedBytes,
  stateCopies,
  type WorkOptions,
} from './layer-work.js';
import type { Machine } from './machine.js';
import type { PlannedModel } from './model-sizes.js';
import { passSeconds, workSeconds, type Work } from './operations.js';
import type { PlanSettings } from './settings.js';

/** Seconds of a micro-batch. */
export interface Duration {
  /** Matrix products. */
  readonly products: number;
  /** Everything else that is computed. */
  readonly passes: number;
  /** All-reduces between tensor-parallel ranks, which wait for them. */
  readonly reductions: number;
  /** Copies between device and host. */
  readonly host: number;
}

export interface PartTimes {
  readonly forward: Duration;
  readonly backward: Duration;
}

export interface PassTimes {
  readonly embeddings: PartTimes;
  readonly layer: PartTimes;
  readonly heads: PartTimes;
}

export const durationSeconds = ({ products, passes, reductions, host }: Duration) =>
  products + passes + reductions + host;

/** All-reduces of activations in each pass (arXiv 1909.08053, figure 4): what is computed again repeats forward's. */
const layerReductions = { forward: 2, backward: 2 };
export const backwardReductions = (recomputation: Recomputation) =>
  layerReductions.backward + (recomputation === 'full' ? layerReductions.forward : 0);

export function passTimes(model: PlannedModel, machine: Machine, settings: PlanSettings): PassTimes {
  const { mesh, precision, recomputation, microBatchSize } = settings;
  const options: WorkOptions = {
    ...{ microBatchSize, precision, tensor: mesh.tensor },
    kernels: machine.software.kernels,
  };
  const group = groupAlong('tensor', mesh, machine);
  const reduced = allReduceSeconds(reducedBytes(model, options), group, machine);
  // the largest score, the label's, and the sum: a float32 each for a token
  const scalar = allReduceSeconds(4 * microBatchSize * model.sequenceLength, group, machine);
  const { randomState } = machine.software;
  const copies = stateCopies(recomputation);
  const copy = randomState > 0 ? hostCopySeconds(randomState, meshSize(mesh), machine) : 0;
  const duration = (work: Work, reductions: number, host = 0): Duration => ({
    products: workSeconds({ ...work, passes: [] }, machine.device, precision),
    passes: workSeconds({ ...work, products: [] }, machine.device, precision),
    ...{ reductions, host },
  });
  const back = layerBackward(model, options);
  const again = layerRecomputed(model, options, recomputation);
  return {
    embeddings: {
      forward: duration(embeddingsForward(model, options), reduced),
      backward: duration(embeddingsBackward(model, options), 0),
    },
    layer: {
      forward: duration(
        layerForward(model, options),
        layerReductions.forward * reduced,
        copies.forward * copy,
      ),
      backward: duration(
        { products: [...again.products, ...back.products], passes: [...again.passes, ...back.passes] },
        backwardReductions(recomputation) * reduced,
        copies.backward * copy,
      ),
    },
    heads: {
      forward: duration(headsForward(model, options), 3 * scalar),
      backward: duration(headsBackward(model, options), reduced),
    },
  };
}

/** Adding a micro-batch's gradients to those before: read, and what they are added to read and written. */
export function accumulationSeconds(parameters: number, machine: Machine, bytes: number): number {
  return passSeconds((bytes + 2 * 4) * parameters, machine.device);
}

/** Into a buffer, divided by the number of ranks, and back: each is a pass over the gradients. */
export function bucketSeconds(gradientBytes: number, machine: Machine): number {
  return passSeconds(6 * gradientBytes, machine.device);
}
