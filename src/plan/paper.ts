/** What was published of how Megatron-LM scales, and the same simulated, each from one description of the machine. */
import { estimate, type Estimate } from './estimate.js';
import type { Machine } from './machine.js';
import { builtInMachines } from './machines.js';
import { modelOfSizes, namedModels, type ModelSizes } from './model-sizes.js';
import { settingsOf, type Choice } from './settings.js';
import { costsOf } from './step.js';

/**
 * arXiv 1909.08053, section 5.1 and figure 5: per cent of the rate of the smallest model on one device, for model
 * parallelism alone, and with 64 data-parallel ranks.
 */
export const publishedScaling = [
  { model: 'gpt2-1.2b', tensor: 1, modelParallel: 100, withData: 96 },
  { model: 'gpt2-2.5b', tensor: 2, modelParallel: 95, withData: 83 },
  { model: 'gpt2-4.2b', tensor: 4, modelParallel: 82, withData: 79 },
  { model: 'gpt2-8.3b', tensor: 8, modelParallel: 77, withData: 74 },
] as const;

/** Section 1: FLOP/s on one device. */
const publishedBaseline = 39e12;
/** Appendix D: per cent of that for 8.3 billion parameters on 8 devices, by the number of heads. */
const publishedHeads = { 16: 82, 24: 80, 32: 77 };
/** Appendix D: how many times as fast the smallest model's step is on several devices. */
const publishedSpeedups = { 2: 1.64, 4: 2.34, 8: 2.98 };
/** Megatron-LM's README (version 1.0): on 512 devices, with gradients summed up after the backward pass. */
const publishedAfter = 60;

/** arXiv 2104.04473, table 1, with micro-batches and chunks as in Megatron-LM's examples/sc21. */
const publishedLater = [
  { model: 'gpt-1.7b', tensor: 1, pipeline: 1, devices: 32, batch: 512, micro: 16, chunks: 1, tera: 137 },
  { model: 'gpt-3.6b', tensor: 2, pipeline: 1, devices: 64, batch: 512, micro: 16, chunks: 1, tera: 138 },
  { model: 'gpt-7.5b', tensor: 4, pipeline: 1, devices: 128, batch: 512, micro: 16, chunks: 1, tera: 142 },
  { model: 'gpt-18b', tensor: 8, pipeline: 1, devices: 256, batch: 1024, micro: 8, chunks: 1, tera: 135 },
  { model: 'gpt-39b', tensor: 8, pipeline: 2, devices: 512, batch: 1536, micro: 4, chunks: 1, tera: 138 },
  { model: 'gpt-76b', tensor: 8, pipeline: 4, devices: 1024, batch: 1792, micro: 2, chunks: 3, tera: 140 },
  { model: 'gpt-145b', tensor: 8, pipeline: 8, devices: 1536, batch: 2304, micro: 2, chunks: 2, tera: 148 },
  { model: 'gpt-310b', tensor: 8, pipeline: 16, devices: 1920, batch: 2160, micro: 1, chunks: 2, tera: 155 },
  { model: 'gpt-530b', tensor: 8, pipeline: 35, devices: 2520, batch: 2520, micro: 1, chunks: 3, tera: 163 },
  { model: 'gpt-1t', tensor: 8, pipeline: 64, devices: 3072, batch: 3072, micro: 1, chunks: 1, tera: 163 },
] as const;

export interface ScalingRow {
  readonly model: string;
  readonly tensor: number;
  readonly data: number;
  /** Per cent, and the next too. */
  readonly published: number;
  readonly simulated: number;
  readonly estimate: Estimate;
}

export interface Check {
  readonly what: string;
  readonly published: number;
  readonly simulated: number;
}

export interface PaperComparison {
  /** FLOP/s of the smallest model on one device. */
  readonly baseline: { readonly published: number; readonly simulated: number };
  readonly rows: readonly ScalingRow[];
  readonly checks: readonly Check[];
  /** FLOP/s of a device; the simulated ones are in the estimate. */
  readonly later: readonly {
    readonly model: string;
    readonly published: number;
    readonly estimate: Estimate;
  }[];
}

const sequences = 8;
const dataRanks = 64;

/** All of a layer is computed again, in 16 bits. */
function simulateChoice(
  sizes: ModelSizes,
  globalBatchSize: number,
  choice: Omit<Choice, 'recomputation'>,
  machine: Machine,
): Estimate {
  const model = modelOfSizes(sizes, 'model');
  const batch = { globalBatchSize, precision: 'fp16', distributedOptimizer: false } as const;
  const settings = settingsOf(model, batch, { ...choice, recomputation: 'full' });
  return estimate(model, machine, costsOf(model, machine, settings));
}

/** As in the weak-scaling study: eight sequences for each data-parallel rank. */
export function simulateStudy(
  sizes: ModelSizes,
  { tensor, data, machine }: { readonly tensor: number; readonly data: number; readonly machine: Machine },
): Estimate {
  const mesh = { tensor, pipeline: 1, data };
  return simulateChoice(sizes, sequences * data, { mesh, microBatchSize: sequences, chunks: 1 }, machine);
}

const named = (name: string) => namedModels[name]!;

export function comparePaper(machine: Machine = builtInMachines['dgx-2h']): PaperComparison {
  const smallest = simulateStudy(named('gpt2-1.2b'), { tensor: 1, data: 1, machine });
  const baseline = smallest.flopsPerDevice;
  const efficiency = ({ flopsPerDevice }: Estimate) => (100 * flopsPerDevice) / baseline;
  const rows = [1, dataRanks].flatMap((data) =>
    publishedScaling.map(({ model, tensor, modelParallel, withData }) => {
      const simulated = simulateStudy(named(model), { tensor, data, machine });
      const published = data === 1 ? modelParallel : withData;
      return { ...{ model, tensor, data, published }, simulated: efficiency(simulated), estimate: simulated };
    }),
  );
  const largest = named('gpt2-8.3b');
  const after: Machine = { ...machine, software: { ...machine.software, gradients: 'after it' } };
  const checks: Check[] = [
    ...Object.entries(publishedHeads).map(([heads, published]) => ({
      what: `8.3B on 8 devices with ${heads} heads, per cent`,
      published,
      simulated: efficiency(
        simulateStudy({ ...largest, heads: Number(heads) }, { tensor: 8, data: 1, machine }),
      ),
    })),
    ...Object.entries(publishedSpeedups).map(([devices, published]) => ({
      what: `1.2B on ${devices} devices, times as fast as on one`,
      published,
      simulated:
        smallest.step.seconds /
        simulateStudy(named('gpt2-1.2b'), { tensor: Number(devices), data: 1, machine }).step.seconds,
    })),
    {
      what: '8.3B on 512 devices, gradients after the backward pass, per cent',
      published: publishedAfter,
      simulated: efficiency(simulateStudy(largest, { tensor: 8, data: dataRanks, machine: after })),
    },
  ];
  return {
    baseline: { published: publishedBaseline, simulated: baseline },
    ...{ rows, checks },
    later: compareLater(),
  };
}

function compareLater(machine: Machine = builtInMachines['dgx-a100']): PaperComparison['later'] {
  return publishedLater.map(({ model, tensor, pipeline, devices, batch, micro, chunks, tera }) => {
    // PyTorch's sums during the backward pass where there is one stage, Megatron-LM's own elsewhere
    const software = {
      ...machine.software,
      gradients: pipeline === 1 ? ('during the backward pass' as const) : machine.software.gradients,
    };
    const mesh = { tensor, pipeline, data: devices / tensor / pipeline };
    const choice = { mesh, microBatchSize: micro, chunks };
    const simulated = simulateChoice(named(model), batch, choice, { ...machine, software });
    return { model, published: tera * 1e12, estimate: simulated };
  });
}
