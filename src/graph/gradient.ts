import { add, input, zerosLike } from './functions.js';
import { ops, type Op } from './ops.js';
import { makeProgram, type Program } from './program.js';
import type { Node, OpName, Value } from './value.js';

const isDifferentiable = ({ dtype }: Value) => dtype === 'float32';

function gradientsOfInputs<Name extends OpName>(dy: Value, y: Node<Name>): readonly (Value | undefined)[] {
  return (ops[y.op] as Op<Name>).gradient(dy, y as Node<Name> & Value);
}

/**
 * Reverse-mode gradients: for each of `wrt`, Σ over outputs of (∂output/∂wrt)ᵀ · seed.
 *
 * @param outputs values, each with the gradient that arrives at it (same shape)
 * @returns gradients in the order and the shapes of `wrt`
 */
export function gradient(
  outputs: readonly { readonly value: Value; readonly seed: Value }[],
  wrt: readonly Value[],
): Value[] {
  const order: Value[] = [];
  const leadsToWrt = new Map<Value, boolean>();
  const visit = (value: Value): boolean => {
    const known = leadsToWrt.get(value);
    if (known !== undefined) return known;
    leadsToWrt.set(value, false);
    const throughInputs = value.inputs.map(visit).includes(true);
    const leads = isDifferentiable(value) && (throughInputs || wrt.includes(value));
    leadsToWrt.set(value, leads);
    order.push(value);
    return leads;
  };
  const arrived = new Map<Value, Value>();
  const arrive = (value: Value, dy: Value) => {
    const before = arrived.get(value);
    arrived.set(value, before ? add(before, dy) : dy);
  };
  for (const { value, seed } of outputs) {
    visit(value);
    arrive(value, seed);
  }
  for (const y of order.reverse()) {
    const dy = arrived.get(y);
    if (!dy || !y.inputs.some((x) => leadsToWrt.get(x))) continue;
    const gradients = gradientsOfInputs(dy, y);
    y.inputs.forEach((x, i) => {
      if (gradients[i] && leadsToWrt.get(x)) arrive(x, gradients[i]);
    });
  }
  return wrt.map((value) => arrived.get(value) ?? zerosLike(value));
}

/** A differentiated computation as two programs that run at different times. */
export interface ForwardBackward {
  /** The outputs, and `saved.N` for the backward program. */
  readonly forward: Program;
  /**
   * From `gradient.OUTPUT` of the differentiated output, the saved values and the inputs to `gradient.NAME` of each of `wrt`; with
   * `accumulated.NAME` as a further input where that gradient is added to an earlier one.
   */
  readonly backward: Program;
  readonly saved: ReadonlyMap<string, Value>;
}

/**
 * Splits a computation and its gradient in two. The backward program takes from the forward one what that
 * has computed anyway, and computes the rest (a derivative's own terms, dropout masks) itself.
 *
 * @param differentiated the output whose gradient arrives; the others are computed on the way
 * @param wrt inputs to differentiate by; those in `accumulate` add to the gradient that is there already
 * @param mayKeep whether the backward program may take a value from the forward one; else it computes it again
 */
export function forwardBackward(
  outputs: Readonly<Record<string, Value>>,
  differentiated: string,
  wrt: readonly Node<'input'>[],
  accumulate: ReadonlySet<string> = new Set(),
  mayKeep: (value: Value) => boolean = () => true,
): ForwardBackward {
  const value = outputs[differentiated]!;
  const seeds = [{ value, seed: input(`gradient.${differentiated}`, value.shape) }];
  const gradients = gradient(seeds, wrt).map((dx, i) => {
    const { name } = wrt[i]!.attributes;
    const total = accumulate.has(name) ? add(input(`accumulated.${name}`, dx.shape), dx) : dx;
    return [`gradient.${name}`, total] as const;
  });
  const whole = makeProgram({ ...outputs, ...Object.fromEntries(gradients) });

  const isSeed = (value: Value) =>
    value.op === 'input' && /^(gradient|accumulated)\./.test(value.attributes.name);
  const forwardNodes = new Set(makeProgramFrom(whole, Object.keys(outputs)).nodes);
  const saved = new Map<string, Value>();
  const replacements = new Map<Value, Value>();
  const visited = new Set<Value>();
  const collect = (value: Value): void => {
    if (visited.has(value)) return;
    visited.add(value);
    if (forwardNodes.has(value) && isWorthSaving(value) && mayKeep(value)) {
      const name = `saved.${saved.size}`;
      saved.set(name, value);
      replacements.set(value, input(name, value.shape, value.dtype));
      return;
    }
    if (!isSeed(value)) value.inputs.forEach(collect);
  };
  for (const [name] of gradients) collect(whole.outputs.get(name)!);

  return {
    forward: makeProgramFrom(whole, Object.keys(outputs), saved),
    backward: makeProgram(
      Object.fromEntries(gradients.map(([name]) => [name, whole.outputs.get(name)!])),
      replacements,
    ),
    saved,
  };
}

/**
 * Leaves are at hand again, views cost nothing, masks and one-hot rows cost less to make again than to keep, and what is
 * gathered would be kept by all ranks (arXiv 2205.05198, section 4.2.2).
 */
function isWorthSaving({ op }: Value): boolean {
  return ![
    'input',
    'constant',
    'iota',
    'broadcast',
    'reshape',
    'copyToParallel',
    'stopGradient',
    'dropoutMask',
    'oneHot',
    'allGather',
  ].includes(op);
}

function makeProgramFrom(
  program: Program,
  names: readonly string[],
  more: ReadonlyMap<string, Value> = new Map(),
): Program {
  const chosen = names.map((name) => [name, program.outputs.get(name)!] as const);
  return makeProgram(Object.fromEntries([...chosen, ...more]));
}
