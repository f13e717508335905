/** A second implementation of the graph's ops: plain, slow, in float64, on all ranks at once. */
import { dropoutMask } from '../../src/engine/kernels/reference.js';
import type { Program } from '../../src/graph/program.js';
import {
  knownShape,
  sizeOf,
  type KnownShape as Shape,
  type OpAttributes,
  type OpName,
  type Value,
} from '../../src/graph/value.js';
import { partLayout } from '../../src/partition.js';
import { randomKey } from '../../src/random.js';

export type Numbers = readonly number[];
/** Every size of a program that is evaluated is known. */
interface Known<Name extends OpName> {
  readonly inputs: readonly { readonly shape: Shape }[];
  readonly attributes: OpAttributes[Name];
  readonly shape: Shape;
}
type Rule<Name extends OpName> = (inputs: readonly Numbers[], node: Known<Name>) => Numbers;

/** Places in row-major order: for each element of `shape`, its coordinates. */
function coordinates(shape: Shape): number[][] {
  return Array.from({ length: sizeOf(shape) }, (_, index) => {
    const place: number[] = [];
    for (let axis = shape.length - 1, rest = index; axis >= 0; axis--) {
      place.unshift(rest % shape[axis]!);
      rest = Math.floor(rest / shape[axis]!);
    }
    return place;
  });
}

/** Index of a place; axes that the shape lacks are passed over, and axes of size 1 are repeated. */
function indexOf(place: readonly number[], shape: Shape): number {
  const own = place.slice(place.length - shape.length);
  return shape.reduce((index, size, axis) => index * size + (size === 1 ? 0 : own[axis]!), 0);
}

const broadcastTo = (x: Numbers, from: Shape, to: Shape) =>
  coordinates(to).map((place) => x[indexOf(place, from)]!);

const binary =
  (f: (a: number, b: number) => number) =>
  ([a, b]: readonly Numbers[], { inputs, shape }: Known<OpName>) => {
    const left = broadcastTo(a!, inputs[0]!.shape, shape);
    const right = broadcastTo(b!, inputs[1]!.shape, shape);
    return left.map((x, i) => f(x, right[i]!));
  };

const unary =
  (f: (x: number) => number) =>
  ([x]: readonly Numbers[]) =>
    x!.map(f);

/** erf by its Maclaurin series, or the continued fraction of erfc in the tails. */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a > 3) {
    let fraction = a;
    for (let k = 60; k >= 1; k--) fraction = a + k / 2 / fraction;
    return Math.sign(x) * (1 - Math.exp(-a * a) / (fraction * Math.sqrt(Math.PI)));
  }
  let term = x;
  let total = x;
  for (let n = 1; n < 120; n++) {
    term *= (-x * x) / n;
    total += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}

const reduce =
  (f: (a: number, b: number) => number) =>
  ([x]: readonly Numbers[], { inputs, shape }: Known<OpName>) => {
    const result: (number | undefined)[] = new Array<undefined>(sizeOf(shape)).fill(undefined);
    coordinates(inputs[0]!.shape).forEach((place, i) => {
      const target = indexOf(place, shape);
      result[target] = result[target] === undefined ? x![i]! : f(result[target], x![i]!);
    });
    return result as number[];
  };

function rows(x: Numbers, width: number): number[][] {
  return Array.from({ length: x.length / width }, (_, i) => x.slice(i * width, (i + 1) * width));
}

function matmul([a, b]: readonly Numbers[], { inputs, shape, attributes }: Known<'matmul'>): Numbers {
  const [left, right] = inputs as [{ shape: Shape }, { shape: Shape }];
  const inner = left.shape.at(attributes.transposeA ? -2 : -1)!;
  const at = (
    x: Numbers,
    { shape: of }: { shape: Shape },
    batch: number[],
    row: number,
    column: number,
    transposed: boolean,
  ) => x[indexOf([...batch, ...(transposed ? [column, row] : [row, column])], of)]!;
  return coordinates(shape).map((place) => {
    const batch = place.slice(0, -2);
    const [row, column] = place.slice(-2) as [number, number];
    let total = 0;
    for (let k = 0; k < inner; k++)
      total +=
        at(a!, left, batch, row, k, attributes.transposeA) *
        at(b!, right, batch, k, column, attributes.transposeB);
    return total;
  });
}

type Communication = 'allReduce' | 'allGather' | 'reduceScatter';

const rules: { readonly [Name in Exclude<OpName, Communication | 'input'>]: Rule<Name> } = {
  constant: (_, { attributes }) => [attributes.value],
  add: binary((a, b) => a + b),
  subtract: binary((a, b) => a - b),
  multiply: binary((a, b) => a * b),
  divide: binary((a, b) => a / b),
  equal: binary((a, b) => Number(a === b)),
  less: binary((a, b) => Number(a < b)),
  maximum: binary(Math.max),
  exp: unary(Math.exp),
  log: unary(Math.log),
  sqrt: unary(Math.sqrt),
  tanh: unary(Math.tanh),
  erf: unary(erf),
  gelu: unary((x) => 0.5 * x * (1 + erf(x / Math.SQRT2))),
  softmax: ([x], { shape }) =>
    rows(x!, shape.at(-1)!).flatMap((row) => {
      const greatest = Math.max(...row);
      const powers = row.map((value) => Math.exp(value - greatest));
      const total = powers.reduce((a, b) => a + b);
      return powers.map((value) => value / total);
    }),
  layerNorm: ([x, scale, bias], { shape, attributes: { epsilon } }) =>
    rows(x!, shape.at(-1)!).flatMap((row) => {
      const mean = row.reduce((a, b) => a + b) / row.length;
      const variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / row.length;
      return row.map((value, i) => ((value - mean) / Math.sqrt(variance + epsilon)) * scale![i]! + bias![i]!);
    }),
  matmul,
  sum: reduce((a, b) => a + b),
  max: reduce(Math.max),
  reshape: ([x]) => x!,
  broadcast: ([x], { inputs, shape }) => broadcastTo(x!, inputs[0]!.shape, shape),
  transpose: ([x], { inputs, shape, attributes: { permutation } }) =>
    coordinates(shape).map((place) => {
      const source: number[] = [];
      permutation.forEach((axis, i) => (source[axis] = place[i]!));
      return x![indexOf(source, inputs[0]!.shape)]!;
    }),
  slice: ([x], { inputs, shape, attributes: { axis, start } }) =>
    coordinates(shape).map((place) => x![indexOf(place.with(axis, place[axis]! + start), inputs[0]!.shape)]!),
  concat: (parts, { inputs, shape, attributes: { axis } }) =>
    coordinates(shape).map((place) => {
      let at = place[axis]!;
      let i = 0;
      while (at >= inputs[i]!.shape[axis]!) at -= inputs[i++]!.shape[axis]!;
      return parts[i]![indexOf(place.with(axis, at), inputs[i]!.shape)]!;
    }),
  gather: ([table, ids], { inputs }) => {
    const width = inputs[0]!.shape[1]!;
    return ids!.flatMap((id) => rows(table!, width)[id] ?? new Array<number>(width).fill(0));
  },
  scatterAdd: ([base, ids, updates], { shape }) => {
    const result = rows(base!, shape[1]!);
    ids!.forEach((id, i) => {
      result[id]?.forEach((_, column) => (result[id]![column]! += updates![i * shape[1]! + column]!));
    });
    return result.flat();
  },
  iota: (_, { attributes: { size } }) => [...Array(size).keys()],
  oneHot: ([ids], { attributes: { depth } }) =>
    ids!.flatMap((id) => Array.from({ length: depth as number }, (_, i) => Number(i === id))),
  select: ([condition, a, b], { inputs, shape }) => {
    const [which, left, right] = [condition!, a!, b!].map((x, i) => broadcastTo(x, inputs[i]!.shape, shape));
    return which!.map((holds, i) => (holds ? left![i]! : right![i]!));
  },
  cast: unary((x) => x),
  stopGradient: unary((x) => x),
  copyToParallel: unary((x) => x),
  dropoutMask: ([key], { attributes: { rate, site, unpartitionedShape, axis, parts, index } }) => {
    const layout = partLayout(unpartitionedShape, axis, parts, index);
    return [...dropoutMask(layout, randomKey(key![0]!, key![1]!, site), rate)];
  },
};

/** What each rank has after a communication, from what each brought. */
function communicate(node: Value, ranks: readonly Numbers[]): Numbers[] | undefined {
  const shape = knownShape(node.shape);
  const summed = () => ranks[0]!.map((_, i) => ranks.reduce((total, x) => total + x[i]!, 0));
  if (node.op === 'allReduce') {
    const greatest = () => ranks[0]!.map((_, i) => Math.max(...ranks.map((x) => x[i]!)));
    return ranks.map(node.attributes.reduction === 'sum' ? summed : greatest);
  }
  if (node.op === 'allGather') {
    const inputs = ranks.map(() => ({ shape: knownShape(node.inputs[0]!.shape) }));
    const joined = rules.concat(ranks, { inputs, shape, attributes: node.attributes });
    return ranks.map(() => joined);
  }
  if (node.op === 'reduceScatter') {
    const { axis } = node.attributes;
    const part = shape[axis]!;
    const inputs = [{ shape: knownShape(node.inputs[0]!.shape) }];
    return ranks.map((_, rank) =>
      rules.slice([summed()], {
        inputs,
        shape,
        attributes: { axis, start: rank * part, end: (rank + 1) * part },
      }),
    );
  }
  return undefined;
}

/**
 * Evaluates the programs of all ranks (equal but for what depends on the rank) side by side.
 *
 * @param inputs for each rank, the numbers of each input
 * @returns for each rank, the numbers of each output
 */
export function evaluateRanks(
  programs: readonly Program[],
  inputs: readonly Readonly<Record<string, Numbers>>[],
): Record<string, Numbers>[] {
  const results = programs.map(() => new Map<Value, Numbers>());
  programs[0]!.nodes.forEach((_, i) => {
    const nodes = programs.map((program) => program.nodes[i]!);
    const args = nodes.map((node, rank) => node.inputs.map((input) => results[rank]!.get(input)!));
    const communicated = communicate(
      nodes[0]!,
      args.map(([first]) => first ?? []),
    );
    nodes.forEach((node, rank) => {
      const numbers =
        communicated?.[rank] ??
        (node.op === 'input'
          ? inputs[rank]![node.attributes.name]!
          : (rules[node.op as keyof typeof rules] as Rule<OpName>)(args[rank]!, node as Known<OpName>));
      results[rank]!.set(node, numbers);
    });
  });
  return programs.map((program, rank) =>
    Object.fromEntries([...program.outputs].map(([name, value]) => [name, results[rank]!.get(value)!])),
  );
}

export function evaluate(
  program: Program,
  inputs: Readonly<Record<string, Numbers>>,
): Record<string, Numbers> {
  return evaluateRanks([program], [inputs])[0]!;
}
