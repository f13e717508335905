/** Low-rank adaptation (Hu et al., arXiv 2106.09685): y = W x + α/r · B A x, where W stays as it is. Names are PEFT's. */
import { matmul, multiply } from '../graph/functions.js';
import { InputError } from '../errors.js';
import type { Value } from '../graph/value.js';
import { isParameter, type Parameter, type ParameterTree } from './parameters.js';
import { dropout, type Run } from './run.js';
import { copyToTensorParallel } from './tensor-parallel.js';

export interface LoraOptions {
  readonly r: number;
  readonly lora_alpha: number;
  /** Of a matrix's input, on the way to A only. */
  readonly lora_dropout: number;
  /** Names of the modules that are adapted, or their last parts: `query`, `attention.output.dense`. */
  readonly target_modules: readonly string[];
}

export const isLoraParameter = (name: string) => /\.lora_[AB]\.weight$/.test(name);

/** Whether a module has this name, or the last part of its name is it. */
export const isTarget = (module: string, target: string) =>
  module === target || module.endsWith(`.${target}`);

/** A tree with A [r, in] and B [out, r] beside each matrix that is adapted; B begins as zeros, so that nothing changes. */
export function withLora<Tree extends ParameterTree>(tree: Tree, lora: LoraOptions, prefix: string): Tree {
  const entries = Object.entries(tree).map(([name, node]) => {
    if (!node || isParameter(node)) return [name, node];
    const module = prefix + name;
    return [
      name,
      {
        ...withLora(node, lora, `${module}.`),
        ...(lora.target_modules.some((target) => isTarget(module, target)) && adapters(node, lora, module)),
      },
    ];
  });
  return Object.fromEntries(entries) as Tree;
}

/** What is split of W is split of A or B too. */
function adapters({ weight, bias }: ParameterTree, { r }: LoraOptions, module: string): ParameterTree {
  if (!weight || !bias || !isParameter(weight) || weight.shape.length !== 2)
    throw new InputError(`lora_target_modules: expected names of matrices with a bias, found ${module}`);
  const [outputs, inputs] = weight.shape as [number, number];
  const matrix = (shape: readonly [number, number], initial: Parameter['initial'], split: 0 | 1) => ({
    weight: { shape, initial, decays: true, ...(weight.partition === split && { partition: split }) },
  });
  return {
    // PEFT draws A from U(-1/√in, 1/√in); this is the normal distribution of that variance
    lora_A: matrix([r, inputs], { standardDeviation: 1 / Math.sqrt(3 * inputs) }, 1),
    lora_B: matrix([outputs, r], { value: 0 }, 0),
  };
}

/** Gives each matrix that is adapted the function that `linear` adds. */
export function bindLora<Tree extends object>(
  values: Tree,
  tree: ParameterTree,
  lora: LoraOptions,
  run: Run,
  path = '',
): Tree {
  const entries = Object.entries(values as Record<string, unknown>).map(([name, node]) => {
    const declared = tree[name];
    if (!declared || isParameter(declared)) return [name, node];
    const bound = bindLora(node as object, declared, lora, run, `${path}${name}.`);
    return [
      name,
      'lora_A' in declared ? { ...bound, lora: adaptation(bound, declared, lora, run, path + name) } : bound,
    ];
  });
  return Object.fromEntries(entries) as Tree;
}

function adaptation(values: unknown, declared: ParameterTree, lora: LoraOptions, run: Run, site: string) {
  const { lora_A, lora_B } = values as Record<'lora_A' | 'lora_B', { readonly weight: Value }>;
  const { partition } = declared.weight as Parameter;
  const { lora_dropout, lora_alpha, r } = lora;
  /** What every rank has of what they multiply parts by: its gradient is the sum of theirs. */
  const whole = ({ weight }: { readonly weight: Value }) => copyToTensorParallel(weight, run.tensor);
  const A = partition === 0 ? whole(lora_A) : lora_A.weight;
  const B = partition === 1 ? whole(lora_B) : lora_B.weight;
  return (x: Value) => {
    const dropped = dropout(x, lora_dropout, `${site}.lora`, run, partition === 1 ? 1 : undefined);
    const low = matmul(dropped, A, { transposeB: true });
    return multiply(lora_alpha / r, matmul(low, B, { transposeB: true }));
  };
}
