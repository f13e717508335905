/** A sweep's runs as texts, the best first. */
import type { ParameterValue, RunParameters } from './configuration.js';
import { ranked, type SweepResults } from './sweep-results.js';

export interface SweepTable {
  readonly head: readonly string[];
  readonly rows: readonly {
    readonly isBest: boolean;
    readonly hasFailed: boolean;
    readonly cells: readonly string[];
  }[];
}

export function sweepTable({ sweep, objective, runs, best }: SweepResults): SweepTable {
  const names = Object.keys(sweep.parameters);
  return {
    head: ['run', ...names, objective.metric, 'seconds'],
    rows: ranked(runs, objective).map(({ run, parameters, objective: value, seconds }) => ({
      isBest: run === best,
      hasFailed: value === undefined,
      cells: [
        String(run),
        ...names.map((name) => shownValue(parameters[name]!)),
        value === undefined ? 'failed' : shownValue(value, 5),
        seconds.toFixed(1),
      ],
    })),
  };
}

/** `learning_rate 3e-5, lora_r 8` */
export const shownParameters = (parameters: RunParameters): string =>
  Object.entries(parameters)
    .map(([name, value]) => `${name} ${shownValue(value)}`)
    .join(', ');

/** Integers as they are, other numbers with so many digits. */
export function shownValue(value: ParameterValue, digits = 3): string {
  if (typeof value !== 'number' || Number.isInteger(value)) return String(value);
  const rounded = Number(value.toPrecision(digits));
  return Math.abs(rounded) < 1e-3 ? rounded.toExponential() : String(rounded);
}
