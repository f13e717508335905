/** The runs of a sweep: what each has for the parameters. */
import { randomKey, randomUniform } from '../../random.js';
import {
  combinationCount,
  type Choice,
  type ParameterValue,
  type RunParameters,
  type Sweep,
} from './configuration.js';

/** In the order in which they are run, none of them twice. The same sweep has the same ones. */
export const combinations = (sweep: Sweep): Generator<RunParameters> =>
  sweep.method === 'grid' ? everyCombination(sweep) : drawnCombinations(sweep);

function* everyCombination({ parameters }: Sweep): Generator<RunParameters> {
  let all: Generator<RunParameters> | RunParameters[] = [{}];
  for (const [name, choice] of Object.entries(parameters))
    all = extended(all, name, 'values' in choice ? choice.values : []);
  yield* all;
}

function* extended(
  all: Iterable<RunParameters>,
  name: string,
  values: readonly ParameterValue[],
): Generator<RunParameters> {
  for (const one of all) for (const value of values) yield { ...one, [name]: value };
}

function* drawnCombinations(sweep: Sweep): Generator<RunParameters> {
  const { parameters, seed } = sweep;
  const count = combinationCount(sweep);
  const seen = new Set<string>();
  for (let draw = 0; seen.size < count; draw++) {
    const entries = Object.entries(parameters).map(([name, choice]) => [
      name,
      valueAt(choice, randomUniform(randomKey('sweep', seed, name), draw)),
    ]);
    const drawn = JSON.stringify(entries);
    if (seen.has(drawn)) continue;
    seen.add(drawn);
    yield Object.fromEntries(entries) as RunParameters;
  }
}

/** @param share from 0 to less than 1 */
export function valueAt(choice: Choice, share: number): ParameterValue {
  if ('values' in choice) return choice.values[Math.floor(share * choice.values.length)]!;
  const { min, max, distribution } = choice;
  if (distribution === 'int_uniform') return min + Math.floor(share * (max - min + 1));
  const value = distribution === 'uniform' ? min + share * (max - min) : min * (max / min) ** share;
  // rounding may lead past either end
  return Math.min(max, Math.max(min, value));
}
