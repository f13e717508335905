/** Plans how to train a model on a machine: what each way takes, and which is the fastest that fits. */
import { InputError } from '../errors.js';
import type { Machine } from './machine.js';
import { totalMemory } from './memory.js';
import type { PlannedModel } from './model-sizes.js';
import { estimate, type Estimate } from './estimate.js';
import { choices, type Fixed } from './search.js';
import type { BatchSettings } from './settings.js';
import { costsOf, leastSeconds } from './step.js';
import { settingsOf } from './settings.js';

export interface PlanOptions extends BatchSettings {
  readonly model: PlannedModel;
  readonly machine: Machine;
  readonly devices: number;
  /** What is not to be searched for. */
  readonly fixed: Fixed;
}

export interface Plan {
  readonly best: Estimate;
  /** The next ones, fastest first, each on another mesh. */
  readonly others: readonly Estimate[];
  /** Ways that were looked at, and how many of them fit. */
  readonly considered: number;
  readonly fitting: number;
}

/** How many other meshes are told of. */
const alternatives = 4;

/**
 * Looks at every mesh, micro-batch, number of chunks and recomputation, and simulates those that fit, as long as
 * they can be faster than what was found.
 *
 * @throws InputError where nothing goes together, or nothing fits
 */
export function plan(options: PlanOptions): Plan {
  const { model, machine, devices, fixed } = options;
  const all = choices(model, devices, options.globalBatchSize, fixed).map((choice) =>
    costsOf(model, machine, settingsOf(model, options, choice)),
  );
  if (all.length === 0)
    throw new InputError(
      `no mesh: ${devices} devices, ${model.config.num_attention_heads} heads, ${model.config.num_hidden_layers} layers and a global batch of ${options.globalBatchSize} cannot be divided as asked`,
    );
  const fitting = all.filter(({ fits }) => fits);
  if (fitting.length === 0) {
    const least = Math.min(...all.map(({ memory }) => Math.max(...memory.map(totalMemory))));
    throw new InputError(
      `no mesh fits: the least takes ${gigabytes(least)} of a device's ${gigabytes(machine.device.memory)}`,
    );
  }
  const found = new Map<string, Estimate>();
  const ranked = fitting
    .map((costs) => ({ costs, least: leastSeconds(model, costs) }))
    .sort((a, b) => a.least - b.least);
  for (const { costs, least } of ranked) {
    const slowestKept = [...found.values()].map(secondsOf).sort((a, b) => a - b)[alternatives];
    if (slowestKept !== undefined && least >= slowestKept) break;
    const estimated = estimate(model, machine, costs);
    const key = Object.values(costs.settings.mesh).join();
    const before = found.get(key);
    if (!before || secondsOf(estimated) < secondsOf(before)) found.set(key, estimated);
  }
  const [best, ...others] = [...found.values()].sort((a, b) => secondsOf(a) - secondsOf(b));
  return {
    best: best!,
    others: others.slice(0, alternatives),
    considered: all.length,
    fitting: fitting.length,
  };
}

const secondsOf = ({ step }: Estimate) => step.seconds;
const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
