/** A program in parts, which ranks one after the other compute: pipeline parallelism without its own model code. */
import { input } from './functions.js';
import { makeProgram, type Program } from './program.js';
import type { Value } from './value.js';

/** What a stage gives others, by the name of an input of theirs and an output of its own. */
export interface Crossing {
  readonly name: string;
  readonly value: Value;
  readonly from: number;
  /** Stages, in ascending order. */
  readonly to: readonly number[];
}

export interface StageProgram {
  /** Undefined where there is nothing for the stage to compute. */
  readonly program: Program | undefined;
  /** In an order in which no stage waits for ever: that in which their values are computed. */
  readonly receives: readonly Crossing[];
  readonly sends: readonly Crossing[];
}

/**
 * Each value is computed on the earliest stage that has all it is made of; what needs no weight is computed wherever it
 * is needed.
 *
 * @param stageOf the stage that holds a weight, by its name; undefined for inputs that all stages are given
 */
export function cutProgram(
  { nodes, outputs }: Program,
  stages: number,
  stageOf: (name: string) => number | undefined,
): StageProgram[] {
  const places = new Map<Value, number | undefined>();
  for (const node of nodes) {
    const own = node.op === 'input' ? stageOf(node.attributes.name) : undefined;
    const given = node.inputs.map((value) => places.get(value));
    places.set(
      node,
      [own, ...given].reduce((a, b) => (a === undefined || b === undefined ? (a ?? b) : Math.max(a, b))),
    );
  }

  const users = new Map<Value, Set<number>>();
  for (const node of nodes)
    for (const value of node.inputs) {
      const [from, to] = [places.get(value), places.get(node)];
      if (from === undefined || to === undefined || from === to || value.op === 'input') continue;
      users.set(value, (users.get(value) ?? new Set()).add(to));
    }
  const crossings = nodes
    .filter((node) => users.has(node))
    .map((value, i): Crossing => ({
      name: `crossing.${i}`,
      value,
      from: places.get(value)!,
      to: [...users.get(value)!].sort((a, b) => a - b),
    }));

  return Array.from({ length: stages }, (_, stage) => {
    const receives = crossings.filter(({ to }) => to.includes(stage));
    const sends = crossings.filter(({ from }) => from === stage);
    const own = [...outputs].filter(([, value]) => (places.get(value) ?? 0) === stage);
    const wanted = [...own, ...sends.map(({ name, value }) => [name, value] as const)];
    const arrived = receives.map(
      ({ name, value }) => [value, input(name, value.shape, value.dtype)] as const,
    );
    const program = wanted.length > 0 ? makeProgram(Object.fromEntries(wanted), new Map(arrived)) : undefined;
    return { program, receives, sends };
  });
}
