/** `sweep_results.json`: a sweep's runs so far, from which it also goes on. */
import path from 'node:path';
import { z } from 'zod';
import { writeFileAtomically, writeFully } from '../../checkpoint/file-bytes.js';
import { readJsonObject } from '../../checkpoint/json-file.js';
import { exists } from '../../checkpoint/paths.js';
import { InputError } from '../../errors.js';
import { parseFields } from '../../model/config.js';
import type { RunParameters, Sweep } from './configuration.js';

export interface SweepRun {
  /** From 1 on; `run-1` is its folder. */
  readonly run: number;
  readonly parameters: RunParameters;
  readonly seconds: number;
  /** What it is compared by; of one that failed there is an error instead. */
  readonly objective?: number;
  /** Of its model, by all evaluations; null for what is no finite number. */
  readonly metrics?: Readonly<Record<string, number | null>>;
  readonly error?: string;
}

export interface Objective {
  readonly metric: string;
  readonly greater_is_better: boolean;
}

export interface SweepResults {
  /** As it was given, with what is so by default. */
  readonly sweep: Sweep;
  readonly objective: Objective;
  readonly runs: readonly SweepRun[];
  /** The number of the best run; null where none has succeeded. */
  readonly best: number | null;
}

const sweepResultsName = 'sweep_results.json';

const schema = z.object({
  sweep: z.unknown(),
  objective: z.unknown(),
  runs: z.array(
    z.object({
      run: z.int(),
      parameters: z.record(z.string(), z.union([z.number(), z.string(), z.boolean()])),
      seconds: z.number(),
      objective: z.number().exactOptional(),
      metrics: z.record(z.string(), z.number().nullable()).exactOptional(),
      error: z.string().exactOptional(),
    }),
  ),
});

/** Bytes; a run has some hundreds. */
const largestResults = 2 ** 26;

export const hasResults = (output: string) => exists(path.join(output, sweepResultsName));

/** @throws InputError where there are none, or they are of another sweep */
export async function readRuns(output: string, sweep: Sweep, objective: Objective): Promise<SweepRun[]> {
  const file = path.join(output, sweepResultsName);
  if (!(await hasResults(output)))
    throw new InputError(`${file}: expected the results of a sweep to go on with, found none`);
  const found = parseFields(schema, await readJsonObject(file, largestResults), file);
  for (const [name, own] of Object.entries({ sweep, objective })) {
    const stored = JSON.stringify(found[name as 'sweep' | 'objective']);
    // the order of parameters is that of a grid's runs
    if (stored !== JSON.stringify(own))
      throw new InputError(
        `${file}: ${name}: expected what the sweep began with, ${stored}, found ${JSON.stringify(own)}`,
      );
  }
  return found.runs;
}

export const writeSweepResults = (output: string, results: SweepResults): Promise<void> =>
  writeFileAtomically(path.join(output, sweepResultsName), (file) =>
    writeFully(file, Buffer.from(`${JSON.stringify(results, null, 2)}\n`)),
  );

/** Of equal runs the first is the best. */
export const bestRun = (runs: readonly SweepRun[], objective: Objective): number | null =>
  ranked(runs, objective).find((run) => run.objective !== undefined)?.run ?? null;

/** The best first, those that failed last. */
export function ranked(runs: readonly SweepRun[], { greater_is_better }: Objective): SweepRun[] {
  const cost = ({ objective }: SweepRun) =>
    objective === undefined ? Infinity : greater_is_better ? -objective : objective;
  return [...runs].sort((a, b) => (cost(a) === cost(b) ? a.run - b.run : cost(a) < cost(b) ? -1 : 1));
}
