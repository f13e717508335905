import { input } from '../graph/functions.js';
import type { KnownShape, Value } from '../graph/value.js';
import type { Partitioned } from '../partition.js';

/** What a parameter starts as: N(0, standardDeviation²) or one number everywhere. */
export type Initializer = { readonly standardDeviation: number } | { readonly value: number };

/** A parameter, declared once: everything else that is to be known of it follows from this and its name. */
export interface Parameter extends Partitioned {
  /** Of the whole, over all tensor-parallel ranks. */
  readonly shape: KnownShape;
  readonly initial: Initializer;
  readonly partition?: 0 | 1;
  /** Weights decay; biases and layer norms do not (Megatron-LM's groups). */
  readonly decays: boolean;
}

/** Parameters in the tree that transformers' state-dict names spell: `attention.self.query.weight`. */
export interface ParameterTree {
  readonly [name: string]: Parameter | ParameterTree | undefined;
}

/** The same tree, with a value in the place of each parameter. */
export type ValuesOf<Tree> = {
  readonly [Name in keyof Tree]: Tree[Name] extends Parameter ? Value : ValuesOf<Tree[Name]>;
};

const weight = (shape: KnownShape, standardDeviation: number) =>
  ({ shape, initial: { standardDeviation }, decays: true }) satisfies Parameter;
const filled = (shape: KnownShape, value: number) =>
  ({ shape, initial: { value }, decays: false }) satisfies Parameter;

/** weight [out, in] as in torch.nn.Linear, the same on all ranks. */
export const linearParameters = (outputs: number, inputs: number, standardDeviation: number) => ({
  weight: weight([outputs, inputs], standardDeviation),
  bias: filled([outputs], 0),
});

/** Outputs are split: each rank holds rows of the weight and its part of the bias. */
export const columnParallelParameters = (outputs: number, inputs: number, standardDeviation: number) => ({
  weight: { ...weight([outputs, inputs], standardDeviation), partition: 0 as const },
  bias: { ...filled([outputs], 0), partition: 0 as const },
});

/** Inputs are split: each rank holds columns of the weight and the whole bias. */
export const rowParallelParameters = (outputs: number, inputs: number, standardDeviation: number) => ({
  weight: { ...weight([outputs, inputs], standardDeviation), partition: 1 as const },
  bias: filled([outputs], 0),
});

/** GPT-2's Conv1D, weight [in, out]. Outputs are split, in each of the sections. */
export const columnParallelConv1D = (
  outputs: number,
  inputs: number,
  standardDeviation: number,
  sections = 1,
) => ({
  weight: { ...weight([inputs, outputs], standardDeviation), partition: 1 as const, sections },
  bias: { ...filled([outputs], 0), partition: 0 as const, sections },
});

/** GPT-2's Conv1D, weight [in, out]. Inputs are split. */
export const rowParallelConv1D = (outputs: number, inputs: number, standardDeviation: number) => ({
  weight: { ...weight([inputs, outputs], standardDeviation), partition: 0 as const },
  bias: filled([outputs], 0),
});

export const layerNormParameters = (size: number) => ({ weight: filled([size], 1), bias: filled([size], 0) });

export type LayerNormValues = ValuesOf<ReturnType<typeof layerNormParameters>>;

export const embeddingParameters = (rows: number, width: number, standardDeviation: number) => ({
  weight: weight([rows, width], standardDeviation),
});

/** Rows are split. */
export const vocabParallelEmbeddingParameters = (rows: number, width: number, standardDeviation: number) => ({
  weight: { ...weight([rows, width], standardDeviation), partition: 0 as const },
});

/** One number a row of the vocabulary, split as its rows are. */
export const vocabParallelBias = (rows: number) => ({ ...filled([rows], 0), partition: 0 as const });

export const isParameter = (node: Parameter | ParameterTree): node is Parameter => Array.isArray(node.shape);

/** Without parameters that a configuration leaves out. */
const entriesOf = (tree: ParameterTree) =>
  Object.entries(tree).flatMap(([name, node]) => (node ? [[name, node] as const] : []));

/** Every parameter with its state-dict name, in the order of declaration. */
export function flattenParameters(tree: ParameterTree, prefix = ''): [name: string, parameter: Parameter][] {
  return entriesOf(tree).flatMap(([name, node]) =>
    isParameter(node)
      ? [[prefix + name, node] as [string, Parameter]]
      : flattenParameters(node, `${prefix}${name}.`),
  );
}

/** The shape of one rank's part. */
export function partShape({ shape, partition }: Parameter, ranks: number): KnownShape {
  return partition === undefined ? shape : shape.with(partition, shape[partition]! / ranks);
}

/** Makes each parameter an input of the graph, of the shape that a rank holds, named by its path. */
export function parameterInputs<Tree extends ParameterTree>(
  tree: Tree,
  ranks: number,
  prefix = '',
): ValuesOf<Tree> {
  const entries = entriesOf(tree).map(([name, node]) => [
    name,
    isParameter(node)
      ? input(prefix + name, partShape(node, ranks))
      : parameterInputs(node, ranks, `${prefix}${name}.`),
  ]);
  return Object.fromEntries(entries) as ValuesOf<Tree>;
}
