import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InputError } from '../errors.js';
import { meshSize } from '../parallel/mesh.js';
import { estimate } from './estimate.js';
import type { Machine } from './machine.js';
import { builtInMachines } from './machines.js';
import { totalMemory } from './memory.js';
import { modelOfSizes, namedModels } from './model-sizes.js';
import { sum } from './operations.js';
import { plan, type PlanOptions } from './plan.js';
import { choices } from './search.js';
import { settingsOf, type Choice } from './settings.js';
import { costsOf, leastSeconds } from './step.js';

const machine = builtInMachines['dgx-a100'];
const model = modelOfSizes(
  { architecture: 'gpt2', layers: 8, hiddenSize: 2048, heads: 16, vocabSize: 51_200 },
  'model',
);
const options: PlanOptions = {
  ...{ model, machine, devices: 8, globalBatchSize: 32 },
  ...{ precision: 'fp16', distributedOptimizer: false, fixed: {} },
};
const every = (given: PlanOptions = options) =>
  choices(given.model, given.devices, given.globalBatchSize, given.fixed).map((choice) =>
    costsOf(given.model, given.machine, settingsOf(given.model, given, choice)),
  );

test('the best is the fastest of all that fit, each simulated', () => {
  const found = plan(options);
  const fitting = every().filter(({ fits }) => fits);
  const seconds = fitting.map((costs) => estimate(model, machine, costs).step.seconds);
  expect(found.best.step.seconds).toBe(Math.min(...seconds));
  expect(found).toMatchObject({ considered: every().length, fitting: fitting.length });
  const others = found.others.map(({ step }) => step.seconds);
  expect(others).toEqual(others.toSorted((a, b) => a - b));
  expect(others[0]).toBeGreaterThanOrEqual(found.best.step.seconds);
});

test('no step is shorter than its bound', () => {
  for (const costs of every())
    expect(estimate(model, machine, costs).step.seconds).toBeGreaterThan(leastSeconds(model, costs));
});

test('where memory is short, the mesh is one that fits', () => {
  const roomy = plan(options).best;
  const most = Math.max(...roomy.memory.map(totalMemory));
  const device = { ...machine.device, memory: 0.6 * most };
  const tight = plan({ ...options, machine: { ...machine, device } }).best;
  expect(Math.max(...tight.memory.map(totalMemory))).toBeLessThanOrEqual(device.memory);
  expect(tight.step.seconds).toBeGreaterThan(roomy.step.seconds);
  expect(meshSize(tight.settings.mesh)).toBe(8);
});

test('what is given stays', () => {
  const fixed = { tensor: 2, pipeline: 4, microBatchSize: 1, chunks: 2, recomputation: 'full' } as const;
  const { best, considered } = plan({ ...options, fixed });
  expect(considered).toBe(1);
  expect(best.settings).toMatchObject({
    ...{ mesh: { tensor: 2, pipeline: 4, data: 1 }, microBatchSize: 1, chunks: 2 },
    ...{ recomputation: 'full', microBatches: 32 },
  });
});

test('the parts of a step are all of it, and no FLOP is faster than the peak', () => {
  for (const costs of every().slice(0, 40)) {
    const { time, step, flopsPerDevice, flops } = estimate(model, machine, costs);
    const parts = Object.values<number>({ ...time });
    expect(sum(parts)).toBeCloseTo(step.seconds, 9);
    expect(Math.min(...parts)).toBeGreaterThan(-1e-9);
    expect(flopsPerDevice).toBeLessThan(machine.device.peakFlops.fp16);
    expect(flops.hardware).toBeGreaterThanOrEqual(flops.model);
  }
});

test('faster machines make no plan slower', () => {
  const factor = fc.double({ min: 1, max: 4, noNaN: true });
  const faster = fc.record({ server: factor, network: factor, memory: factor, flops: factor });
  const ways = every({ ...options, devices: 32, globalBatchSize: 64 });
  fc.assert(
    fc.property(fc.constantFrom(...ways), faster, ({ settings }, by) => {
      const { device, links } = machine;
      const better: Machine = {
        ...machine,
        device: {
          ...device,
          elementwiseBandwidth: by.memory * device.elementwiseBandwidth,
          memoryBandwidth: by.memory * device.memoryBandwidth,
          peakFlops: { fp16: by.flops * device.peakFlops.fp16, fp32: device.peakFlops.fp32 },
        },
        links: {
          ...links,
          server: { ...links.server, bandwidth: by.server * links.server.bandwidth },
          network: { ...links.network, bandwidth: by.network * links.network.bandwidth },
        },
      };
      const seconds = (on: Machine) => estimate(model, on, costsOf(model, on, settings)).step.seconds;
      expect(seconds(better)).toBeLessThanOrEqual(seconds(machine) * (1 + 1e-12));
    }),
    { numRuns: 60 },
  );
});

test('the published mesh of a trillion parameters is found', () => {
  const { best } = plan({
    ...options,
    ...{ model: modelOfSizes(namedModels['gpt-1t']!, 'gpt-1t'), devices: 3072, globalBatchSize: 3072 },
    fixed: { tensor: 8, microBatchSize: 1, recomputation: 'full' },
  });
  expect(best.settings.mesh).toEqual({ tensor: 8, pipeline: 64, data: 6 });
});

describe('what does not go together is refused', () => {
  const batch = { globalBatchSize: 32, precision: 'fp16', distributedOptimizer: false } as const;
  const choice: Choice = {
    ...{ mesh: { tensor: 1, pipeline: 2, data: 2 }, microBatchSize: 4 },
    ...{ chunks: 1, recomputation: 'none' },
  };
  test.each([
    [{ mesh: { tensor: 1, pipeline: 3, data: 1 } }, /layers: expected a multiple of .* \(3\), found 8/],
    [{ mesh: { tensor: 1, pipeline: 0, data: 1 } }, /pipeline-parallel size: expected a positive integer/],
    [{ microBatchSize: 3 }, /global batch size: expected a multiple of .* \(6\), found 32/],
    [{ mesh: { tensor: 1, pipeline: 1, data: 1 }, chunks: 2 }, /chunks: expected 1/],
    [
      { mesh: { tensor: 1, pipeline: 4, data: 4 }, chunks: 2 },
      /micro-batches: expected a multiple of .* \(4\), found 2/,
    ],
  ])('%j', (given, message) => {
    expect(() => settingsOf(model, batch, { ...choice, ...given })).toThrow(InputError);
    expect(() => settingsOf(model, batch, { ...choice, ...given })).toThrow(message);
  });

  test('no mesh, or none that fits', () => {
    expect(() => plan({ ...options, devices: 7 })).toThrow(/^no mesh: 7 devices, 16 heads, 8 layers/);
    const device = { ...machine.device, memory: 1e8 };
    expect(() => plan({ ...options, machine: { ...machine, device } })).toThrow(
      /^no mesh fits: the least takes [\d.]+ GB of a device's 0.1 GB/,
    );
  });
});
