/** A plan as plain data: everything that is known of it but the single events. */
import { meshSize } from '../parallel/mesh.js';
import type { Recomputation } from '../train/recomputation.js';
import type { Estimate, StepTime } from './estimate.js';
import type { Machine } from './machine.js';
import { activationChoices, totalMemory, type RankMemory } from './memory.js';
import type { PlannedModel } from './model-sizes.js';
import type { PlanSettings } from './settings.js';

export interface EstimateSummary extends PlanSettings {
  readonly devices: number;
  readonly parameters: Estimate['parameters'];
  /** Bytes, of the rank that has most. */
  readonly memory: RankMemory & { readonly total: number };
  /** Bytes of activations under each recomputation, of the rank that has most. */
  readonly activations: Readonly<Record<Recomputation, number>>;
  /** Bytes that a rank of the first stage sends in a step. */
  readonly traffic: Estimate['traffic'];
  readonly step: StepTime & { readonly seconds: number; readonly bubble: number };
  readonly flops: Estimate['flops'];
  readonly flopsPerDevice: number;
  /** Of the peak: of what the model takes, and with what is computed again. */
  readonly utilization: { readonly model: number; readonly hardware: number };
  readonly tokensPerSecond: number;
  /** For so many tokens; null where none are given. */
  readonly days: number | null;
}

export function summarize(
  { settings, parameters, memory, traffic, step, time, flops, flopsPerDevice, tokensPerSecond }: Estimate,
  model: PlannedModel,
  machine: Machine,
  tokens: number | undefined,
): EstimateSummary {
  const devices = meshSize(settings.mesh);
  const peak = machine.device.peakFlops[settings.precision] * devices * step.seconds;
  const most = memory.reduce((a, b) => (totalMemory(a) >= totalMemory(b) ? a : b));
  return {
    ...settings,
    ...{ devices, parameters, traffic, flops, flopsPerDevice, tokensPerSecond },
    memory: { ...most, total: totalMemory(most) },
    activations: activationChoices(model, settings),
    step: { seconds: step.seconds, bubble: step.bubble, ...time },
    utilization: { model: flops.model / peak, hardware: flops.hardware / peak },
    days: tokens === undefined ? null : tokens / tokensPerSecond / secondsPerDay,
  };
}

const secondsPerDay = 86_400;
