import type { StepEvent } from '../train/events.js';

export interface IntervalOptions {
  /** Iterations between lines. */
  readonly interval: number;
  /** Of the whole run. */
  readonly iterations: number;
  readonly sequenceLength: number;
}

/**
 * Megatron-LM's line for every so many iterations. Losses are means over those that were not skipped, times over all.
 *
 * @returns a function of each step in turn, which gives the line where it is due
 */
export function createIntervalLine({ interval, iterations, sequenceLength }: IntervalOptions) {
  let steps: StepEvent[] = [];
  return (step: StepEvent): string | undefined => {
    steps.push(step);
    if (step.iteration % interval !== 0) return undefined;
    const line = describe(steps, iterations, sequenceLength);
    steps = [];
    return line;
  };
}

function describe(steps: readonly StepEvent[], iterations: number, sequenceLength: number): string {
  const last = steps.at(-1)!;
  const updates = steps.filter(({ skipped }) => !skipped);
  const seconds = sum(steps, (step) => step.seconds);
  const tokens = sequenceLength * sum(steps, (step) => step.global_batch_size);
  const flops = sum(steps, (step) => step.model_flops_per_second * step.seconds) / seconds;
  const meanLoss = (name: string, of: (step: StepEvent) => number) =>
    updates.length > 0 ? [`${name}: ${scientific(sum(updates, of) / updates.length, 6)}`] : [];
  const fields = [
    `iteration ${padded(last.iteration, 8)}/${padded(iterations, 8)}`,
    `consumed samples: ${padded(last.consumed_samples, 12)}`,
    `elapsed time per iteration (ms): ${((1000 * seconds) / steps.length).toFixed(1)}`,
    `learning rate: ${scientific(last.learning_rate, 3)}`,
    `global batch size: ${padded(last.global_batch_size, 5)}`,
    ...meanLoss('lm loss', (step) => step.lm_loss),
    ...(last.next_sentence_loss === undefined
      ? []
      : meanLoss('sop loss', (step) => step.next_sentence_loss!)),
    ...(Number.isFinite(last.gradient_norm) ? [`grad norm: ${last.gradient_norm.toFixed(3)}`] : []),
    `number of skipped iterations: ${padded(steps.length - updates.length, 3)}`,
    `tokens/s: ${(tokens / seconds).toFixed(1)}`,
    `model GFLOP/s: ${(flops / 1e9).toFixed(1)} (${((100 * flops) / last.peak_flops_per_second).toFixed(1)} % of the measured peak)`,
  ];
  return ` ${fields.join(' | ')} |`;
}

const sum = (steps: readonly StepEvent[], of: (step: StepEvent) => number) =>
  steps.reduce((total, step) => total + of(step), 0);

const padded = (value: number, width: number) => String(value).padStart(width);

/** As C and Python write it: 1.000E-04. */
const scientific = (value: number, digits: number) =>
  value
    .toExponential(digits)
    .replace(/e([+-])(\d+)$/, (_, sign, exponent: string) => `E${sign}${exponent.padStart(2, '0')}`);
