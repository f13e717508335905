/** What one way of training a model takes: memory, time, communication. */
import { modelFlops } from '../train/model-flops.js';
import { meshSize } from '../parallel/mesh.js';
import { allReduceTraffic } from './communication.js';
import { layerRecomputed, reducedBytes } from './layer-work.js';
import { elementBytes, type Machine } from './machine.js';
import type { RankMemory } from './memory.js';
import { paddedFor, type PlannedModel } from './model-sizes.js';
import { sum, workFlops } from './operations.js';
import { modelParameters } from './parameters.js';
import { backwardReductions, type Duration } from './pass-times.js';
import type { PlanSettings } from './settings.js';
import { simulate, type Simulation } from './simulate.js';
import { simulatedStep, stageParameters, workOptions, type Costs } from './step.js';

export interface Estimate {
  readonly settings: PlanSettings;
  readonly devices: number;
  /** Of the whole model, and of the rank that has most. */
  readonly parameters: { readonly model: number; readonly rank: number };
  /** Bytes, of each stage's ranks. */
  readonly memory: readonly RankMemory[];
  /** Whether each fits its device. */
  readonly fits: boolean;
  /** Bytes that a rank of the first stage sends in a step. */
  readonly traffic: { readonly tensor: number; readonly pipeline: number; readonly data: number };
  readonly step: Simulation;
  /** Seconds of a step, in a rank of the first stage; the rest is waiting for other stages. */
  readonly time: StepTime;
  /** Of a step: what the model takes (arXiv 2205.05198, appendix A), and with what is computed again. */
  readonly flops: { readonly model: number; readonly hardware: number };
  /** Hardware FLOP a second of each device. */
  readonly flopsPerDevice: number;
  readonly tokensPerSecond: number;
}

export interface StepTime {
  readonly products: number;
  readonly passes: number;
  /** All-reduces between tensor-parallel ranks. */
  readonly tensor: number;
  /** Copies between device and host. */
  readonly host: number;
  /** Adding gradients up, over micro-batches and data-parallel ranks, as far as the step is longer for it. */
  readonly gradients: number;
  readonly update: number;
  readonly waiting: number;
}

export function estimate(model: PlannedModel, machine: Machine, costs: Costs): Estimate {
  const { settings, memory, fits } = costs;
  const { mesh, globalBatchSize, microBatches } = settings;
  const devices = meshSize(mesh);
  const options = workOptions(settings, machine);
  const step = simulate(simulatedStep(model, machine, costs));
  const batch = {
    batchSize: globalBatchSize,
    sequenceLength: model.sequenceLength,
    predictionCount: globalBatchSize * model.sequenceLength,
  };
  const flops = modelFlops(paddedFor(model, mesh.tensor), batch);
  const again = workFlops(layerRecomputed(model, options, settings.recomputation));
  const hardware = flops + again * mesh.tensor * mesh.data * microBatches * model.config.num_hidden_layers;
  return {
    ...{ settings, devices, memory, fits, step },
    parameters: {
      model: modelParameters(model),
      rank: Math.max(...memory.map((_, stage) => stageParameters(model, costs, stage))),
    },
    traffic: trafficOf(model, machine, costs),
    time: stepTime(model, costs, step),
    flops: { model: flops, hardware },
    flopsPerDevice: hardware / step.seconds / devices,
    tokensPerSecond: (globalBatchSize * model.sequenceLength) / step.seconds,
  };
}

/** Of the first stage's ranks. */
function trafficOf(model: PlannedModel, machine: Machine, costs: Costs): Estimate['traffic'] {
  const { mesh, chunks, microBatches, precision, recomputation } = costs.settings;
  const activation = reducedBytes(model, workOptions(costs.settings, machine));
  const layers = model.config.num_hidden_layers / mesh.pipeline;
  const alone = mesh.pipeline === 1;
  // of the embeddings forward, and where they are on this rank of the heads back
  const reductions = layers * (2 + backwardReductions(recomputation)) + (alone ? 2 : 1);
  // forward from each chunk, back from each but the model's first
  const sends = alone ? 0 : 2 * chunks - 1;
  return {
    tensor: microBatches * reductions * allReduceTraffic(activation, mesh.tensor),
    pipeline: (microBatches * sends * activation) / mesh.tensor,
    data: allReduceTraffic(elementBytes[precision] * stageParameters(model, costs, 0), mesh.data),
  };
}

function stepTime(model: PlannedModel, { settings, times }: Costs, step: Simulation): StepTime {
  const { mesh, microBatches } = settings;
  const { embeddings, layer, heads } = times;
  const layers = model.config.num_hidden_layers / mesh.pipeline;
  const total = (kind: keyof Duration) =>
    microBatches *
    sum([
      layers * (layer.forward[kind] + layer.backward[kind]),
      embeddings.forward[kind] + embeddings.backward[kind],
      mesh.pipeline === 1 ? heads.forward[kind] + heads.backward[kind] : 0,
    ]);
  const lasting = (...kinds: string[]) =>
    sum(
      step.events
        .filter(({ kind, stage }) => stage === 0 && kinds.includes(kind))
        .map(({ start, end }) => end - start),
    );
  const [products, passes] = [total('products'), total('passes')];
  const [tensor, host] = [total('reductions'), total('host')];
  const computed = products + passes + tensor + host;
  const gradients = lasting('forward', 'backward') - computed + lasting('gradients');
  const update = lasting('update');
  const waiting = step.seconds - computed - gradients - update;
  return { products, passes, tensor, host, gradients, update, waiting };
}
