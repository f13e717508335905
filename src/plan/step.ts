/** Of a way of training a model: what its parts cost, and the step that is made of them. */
import { allReduceSeconds, groupAlong, transferSeconds } from './communication.js';
import { reducedBytes, updateBytes, updateLaunches, updateReadings, type WorkOptions } from './layer-work.js';
import { elementBytes, type Machine } from './machine.js';
import { stageMemory, totalMemory, type RankMemory } from './memory.js';
import type { PlannedModel } from './model-sizes.js';
import { passSeconds } from './operations.js';
import { blockParameters, rankParameters, type BlockParameters } from './parameters.js';
import {
  accumulationSeconds,
  bucketSeconds,
  durationSeconds,
  passTimes,
  type PassTimes,
} from './pass-times.js';
import type { PlanSettings } from './settings.js';
import type { Piece, SimulatedStep } from './simulate.js';

/** All that a mesh takes, without going through its schedule. */
export interface Costs {
  readonly settings: PlanSettings;
  readonly blocks: BlockParameters;
  readonly times: PassTimes;
  readonly memory: readonly RankMemory[];
  readonly fits: boolean;
}

export function costsOf(model: PlannedModel, machine: Machine, settings: PlanSettings): Costs {
  const blocks = blockParameters(model, settings.mesh.tensor);
  const memory = stageMemory(model, blocks, settings);
  return {
    ...{ settings, blocks, memory },
    times: passTimes(model, machine, settings),
    fits: memory.every((rank) => totalMemory(rank) <= machine.device.memory),
  };
}

/**
 * No step is shorter: the last stage's layers, one micro-batch after the other; before them the first micro-batch has
 * to come through the other stages, and after them the last has to go back.
 */
export function leastSeconds(model: PlannedModel, { settings, times }: Costs): number {
  const { mesh, chunks, microBatches } = settings;
  const { forward, backward } = times.layer;
  const layer = durationSeconds(forward) + durationSeconds(backward);
  const layers = model.config.num_hidden_layers / mesh.pipeline;
  return layers * layer * (microBatches + (mesh.pipeline - 1) / chunks);
}

export const workOptions = (
  { mesh, microBatchSize, precision }: PlanSettings,
  machine: Machine,
): WorkOptions => ({
  ...{ microBatchSize, precision, tensor: mesh.tensor },
  kernels: machine.software.kernels,
});

export const stageParameters = (model: PlannedModel, { settings, blocks }: Costs, stage: number) =>
  rankParameters(blocks, {
    layers: model.config.num_hidden_layers / settings.mesh.pipeline,
    isFirst: stage === 0,
    isLast: stage === settings.mesh.pipeline - 1,
  });

/** What the simulation goes through: each pass with its parts, in the order in which it computes them. */
export function simulatedStep(model: PlannedModel, machine: Machine, costs: Costs): SimulatedStep {
  const { settings, blocks, times } = costs;
  const { mesh, chunks, microBatches, precision } = settings;
  const layers = model.config.num_hidden_layers / (mesh.pipeline * chunks);
  const gradient = elementBytes[precision];
  const data = groupAlong('data', mesh, machine);
  const part = (name: keyof PassTimes, parameters: number): Record<'forward' | 'backward', Piece> => ({
    forward: { seconds: durationSeconds(times[name].forward), reduction: 0 },
    backward: {
      seconds:
        durationSeconds(times[name].backward) +
        (microBatches > 1 ? accumulationSeconds(parameters, machine, gradient) : 0) +
        (mesh.data > 1 ? bucketSeconds((gradient * parameters) / microBatches, machine) : 0),
      reduction: allReduceSeconds(gradient * parameters, data, machine),
    },
  });
  const alone = mesh.pipeline === 1;
  const embeddings = part('embeddings', blocks.embeddings);
  const layer = part('layer', blocks.layer);
  const heads = part('heads', blocks.heads - (alone ? blocks.tied : 0));
  const passes = (pass: 'forward' | 'backward', isFirst: boolean, isLast: boolean) => {
    const inOrder = [
      ...(isFirst ? [embeddings[pass]] : []),
      ...Array.from({ length: layers }, () => layer[pass]),
      ...(isLast ? [heads[pass]] : []),
    ];
    return pass === 'forward' ? inOrder : inOrder.reverse();
  };
  const first = { forward: passes('forward', true, false), backward: passes('backward', true, false) };
  const last = { forward: passes('forward', false, true), backward: passes('backward', false, true) };
  const middle = { forward: passes('forward', false, false), backward: passes('backward', false, false) };
  const all = { forward: passes('forward', true, true), backward: passes('backward', true, true) };
  const bytes = reducedBytes(model, workOptions(settings, machine));
  const stages = Array.from({ length: mesh.pipeline }, (_, stage) => stage);
  const transfers = stages.map((from) =>
    stages.map((to) =>
      isNext(from, to, mesh.pipeline) ? transferSeconds(bytes, { from, to, mesh }, machine) : NaN,
    ),
  );
  // the first and the last stage's ranks are as far from each other as any
  const ends = { size: 2, servers: data.servers > 1 || mesh.pipeline > 1 ? 2 : 1, neighbours: 1 };
  return {
    ...{ stages: mesh.pipeline, chunks, microBatches },
    pieces: (pass, stage, chunk) => {
      const isFirst = stage === 0 && chunk === 0;
      const isLast = stage === mesh.pipeline - 1 && chunk === chunks - 1;
      return (isFirst && isLast ? all : isFirst ? first : isLast ? last : middle)[pass];
    },
    transfer: (from, to) => transfers[from]![to]!,
    overlap: machine.software.gradients === 'during the backward pass',
    speedBeside: 1 - Math.min(0.9, machine.collectiveProcessors / machine.device.processors),
    tied: alone ? 0 : allReduceSeconds(gradient * blocks.tied, ends, machine),
    update: (stage) => updateSeconds(model, machine, costs, stage),
  };
}

function updateSeconds(model: PlannedModel, machine: Machine, costs: Costs, stage: number): number {
  const { mesh, precision, distributedOptimizer } = costs.settings;
  const { device, links, software } = machine;
  const shared = distributedOptimizer ? mesh.data : 1;
  const tensors = (costs.blocks.layerTensors * model.config.num_hidden_layers) / mesh.pipeline;
  const perTensor = updateLaunches * device.launchLatency + updateReadings * links.host.latency;
  return (
    passSeconds((updateBytes[precision] * stageParameters(model, costs, stage)) / shared, device) +
    (software.kernels === 'separate' ? tensors * perTensor : 0)
  );
}

/** Stages send to their neighbours, and the last and the first to each other. */
const isNext = (from: number, to: number, stages: number) => [1, stages - 1].includes(Math.abs(from - to));
