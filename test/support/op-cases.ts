import {
  add,
  allGather,
  allReduce,
  broadcast,
  cast,
  concat,
  copyToParallel,
  divide,
  dropoutMask,
  equal,
  erf,
  exp,
  gather,
  gelu,
  input,
  layerNorm,
  log,
  iota,
  less,
  matmul,
  maximum,
  max,
  multiply,
  oneHot,
  reduceScatter,
  reshape,
  scatterAdd,
  select,
  slice,
  softmax,
  sqrt,
  stopGradient,
  subtract,
  sum,
  tanh,
  transpose,
} from '../../src/graph/functions.js';
import type { OpName, KnownShape, Value } from '../../src/graph/value.js';
import { randomKey, randomNormal } from '../../src/random.js';

/** An expression of named inputs, floats unless they are listed. */
export interface OpCase {
  readonly floats: Readonly<Record<string, KnownShape>>;
  readonly integers?: Readonly<
    Record<string, { readonly shape: KnownShape; readonly values: readonly number[] }>
  >;
  /** Makes the floats positive. */
  readonly positive?: boolean;
  readonly build: (inputs: Record<string, Value>) => Value;
}

const pair = { ranks: { group: 'tensor', size: 2 } }.ranks;
const ids = { ids: { shape: [2, 3], values: [0, 3, -1, 3, 4, 2] } };

/** For every op at least one expression in which it stands. */
export const opCases: Readonly<Record<OpName, Readonly<Record<string, OpCase>>>> = {
  input: { alone: { floats: { x: [2, 3] }, build: ({ x }) => multiply(x!, 1) } },
  constant: { scalar: { floats: { x: [2, 3] }, build: ({ x }) => add(x!, 0.25) } },
  add: {
    same: { floats: { x: [2, 3], y: [2, 3] }, build: ({ x, y }) => add(x!, y!) },
    broadcast: { floats: { x: [2, 3, 1], y: [4] }, build: ({ x, y }) => add(x!, y!) },
    twice: { floats: { x: [2, 3] }, build: ({ x }) => add(x!, x!) },
    'product and bias': {
      floats: { x: [4, 3], w: [5, 3], b: [5] },
      build: ({ x, w, b }) => add(matmul(x!, w!, { transposeB: true }), b!),
    },
    'two products': {
      floats: { x: [4, 3], v: [3, 5], w: [3, 5] },
      build: ({ x, v, w }) => add(matmul(x!, v!), matmul(x!, w!)),
    },
    'a product and itself': {
      floats: { x: [4, 3], w: [3, 5] },
      build: ({ x, w }) => add(matmul(x!, w!), matmul(x!, w!)),
    },
    'a product used twice': {
      floats: { x: [4, 3], w: [3, 5] },
      build: ({ x, w }) => add(matmul(x!, w!), tanh(matmul(x!, w!))),
    },
  },
  subtract: { broadcast: { floats: { x: [3], y: [2, 3] }, build: ({ x, y }) => subtract(x!, y!) } },
  multiply: { broadcast: { floats: { x: [2, 1], y: [2, 3] }, build: ({ x, y }) => multiply(x!, y!) } },
  divide: {
    broadcast: { positive: true, floats: { x: [2, 3], y: [2, 1] }, build: ({ x, y }) => divide(x!, y!) },
  },
  exp: { plain: { floats: { x: [2, 3] }, build: ({ x }) => exp(x!) } },
  log: { plain: { positive: true, floats: { x: [2, 3] }, build: ({ x }) => log(x!) } },
  sqrt: { plain: { positive: true, floats: { x: [2, 3] }, build: ({ x }) => sqrt(x!) } },
  tanh: { plain: { floats: { x: [2, 3] }, build: ({ x }) => tanh(x!) } },
  maximum: {
    broadcast: { floats: { x: [2, 3], y: [3] }, build: ({ x, y }) => maximum(x!, y!) },
    'and a constant': { floats: { x: [4, 5] }, build: ({ x }) => maximum(x!, 0) },
  },
  erf: { plain: { floats: { x: [2, 3] }, build: ({ x }) => erf(x!) } },
  gelu: { plain: { floats: { x: [4, 5] }, build: ({ x }) => gelu(multiply(2, x!)) } },
  softmax: { plain: { floats: { x: [2, 3, 5] }, build: ({ x }) => softmax(x!) } },
  layerNorm: {
    plain: {
      floats: { x: [3, 6], scale: [6], bias: [6] },
      build: ({ x, scale, bias }) => layerNorm(x!, scale!, bias!, 1e-3),
    },
  },
  matmul: {
    plain: { floats: { x: [3, 4], y: [4, 2] }, build: ({ x, y }) => matmul(x!, y!) },
    'first transposed': {
      floats: { x: [4, 3], y: [4, 2] },
      build: ({ x, y }) => matmul(x!, y!, { transposeA: true }),
    },
    'second transposed': {
      floats: { x: [3, 4], y: [2, 4] },
      build: ({ x, y }) => matmul(x!, y!, { transposeB: true }),
    },
    'both transposed': {
      floats: { x: [4, 3], y: [2, 4] },
      build: ({ x, y }) => matmul(x!, y!, { transposeA: true, transposeB: true }),
    },
    batch: { floats: { x: [2, 3, 4], y: [2, 4, 5] }, build: ({ x, y }) => matmul(x!, y!) },
    'batch, transposed': {
      floats: { x: [2, 2, 4, 3], y: [2, 2, 5, 4] },
      build: ({ x, y }) => matmul(x!, y!, { transposeA: true, transposeB: true }),
    },
  },
  sum: {
    rows: { floats: { x: [3, 4] }, build: ({ x }) => sum(x!, [0]) },
    columns: { floats: { x: [3, 4] }, build: ({ x }) => sum(x!, [-1]) },
    two: { floats: { x: [2, 3, 4] }, build: ({ x }) => sum(x!, [0, 2]) },
  },
  max: { columns: { floats: { x: [3, 4] }, build: ({ x }) => max(x!, [-1]) } },
  reshape: { plain: { floats: { x: [2, 6] }, build: ({ x }) => tanh(reshape(x!, [3, 4])) } },
  broadcast: { plain: { floats: { x: [2, 1] }, build: ({ x }) => tanh(broadcast(x!, [3, 2, 4])) } },
  transpose: { plain: { floats: { x: [2, 3, 4] }, build: ({ x }) => tanh(transpose(x!, [2, 0, 1])) } },
  slice: {
    middle: { floats: { x: [2, 5] }, build: ({ x }) => slice(x!, 1, 1, 3) },
    start: { floats: { x: [5, 2] }, build: ({ x }) => slice(x!, 0, 0, 2) },
  },
  concat: {
    plain: {
      floats: { x: [2, 3], y: [2, 1], z: [2, 2] },
      build: ({ x, y, z }) => tanh(concat([x!, y!, z!], 1)),
    },
  },
  gather: {
    plain: { floats: { table: [4, 3] }, integers: ids, build: ({ table, ids: i }) => gather(table!, i!) },
  },
  scatterAdd: {
    plain: {
      floats: { base: [4, 2], updates: [2, 3, 2] },
      integers: ids,
      build: ({ base, ids: i, updates }) => tanh(scatterAdd(base!, i!, updates!)),
    },
    'on a value': {
      floats: { base: [4, 2], updates: [2, 3, 2] },
      integers: ids,
      build: ({ base, ids: i, updates }) => scatterAdd(tanh(base!), i!, tanh(updates!)),
    },
  },
  oneHot: {
    plain: { floats: { x: [2, 3, 4] }, integers: ids, build: ({ x, ids: i }) => multiply(x!, oneHot(i!, 4)) },
  },
  iota: {
    plain: {
      floats: { x: [2, 3] },
      build: ({ x }) => multiply(x!, cast(iota(3), 'float32')),
    },
  },
  less: {
    plain: {
      floats: { x: [2, 3] },
      integers: ids,
      build: ({ x, ids: i }) => multiply(x!, cast(less(i!, 3), 'float32')),
    },
  },
  equal: {
    plain: {
      floats: { x: [2, 3] },
      integers: ids,
      build: ({ x, ids: i }) => multiply(x!, cast(equal(i!, 3), 'float32')),
    },
  },
  select: {
    plain: {
      floats: { x: [2, 3], y: [3] },
      integers: ids,
      build: ({ x, y, ids: i }) => select(equal(i!, 3), x!, y!),
    },
    scalar: { floats: { x: [2, 3] }, integers: ids, build: ({ x, ids: i }) => select(equal(i!, 3), 0, x!) },
  },
  cast: {
    integers: {
      floats: { x: [2, 3] },
      integers: ids,
      build: ({ x, ids: i }) => multiply(x!, cast(i!, 'float32')),
    },
  },
  stopGradient: {
    plain: { floats: { x: [2, 3] }, build: ({ x }) => add(x!, multiply(0, stopGradient(x!))) },
  },
  dropoutMask: {
    plain: {
      floats: { x: [4, 6] },
      integers: { key: { shape: [2], values: [7, 8] } },
      build: ({ x, key }) =>
        multiply(
          x!,
          dropoutMask(key!, {
            rate: 0.4,
            site: 'here',
            unpartitionedShape: [4, 6],
            axis: 0,
            parts: 1,
            index: 0,
          }),
        ),
    },
    part: {
      floats: { x: [4, 3] },
      integers: { key: { shape: [2], values: [7, 8] } },
      build: ({ x, key }) =>
        multiply(
          x!,
          dropoutMask(key!, {
            rate: 0.4,
            site: 'here',
            unpartitionedShape: [4, 6],
            axis: 1,
            parts: 2,
            index: 1,
          }),
        ),
    },
  },
  // on two ranks
  copyToParallel: {
    'f and g around a split sum': {
      floats: { x: [2, 3] },
      build: ({ x }) => allReduce(tanh(copyToParallel(x!, pair)), pair),
    },
  },
  allReduce: {
    sum: { floats: { x: [2, 3] }, build: ({ x }) => allReduce(tanh(copyToParallel(x!, pair)), pair) },
  },
  allGather: {
    rows: { floats: { x: [2, 3] }, build: ({ x }) => tanh(allGather(x!, pair, 0)) },
    columns: { floats: { x: [2, 3] }, build: ({ x }) => tanh(allGather(x!, pair, 1)) },
  },
  reduceScatter: {
    rows: { floats: { x: [4, 3] }, build: ({ x }) => tanh(reduceScatter(x!, pair, 0)) },
    columns: { floats: { x: [2, 4] }, build: ({ x }) => tanh(reduceScatter(x!, pair, 1)) },
  },
};

/** The case's inputs as values, and numbers for them: drawn from a normal distribution. */
export function caseInputs({ floats, integers = {}, positive }: OpCase, seed = 1) {
  const values: Record<string, Value> = {};
  const numbers: Record<string, readonly number[]> = {};
  for (const [name, shape] of Object.entries(floats)) {
    values[name] = input(name, shape);
    numbers[name] = randomNumbers(shape, seed, name).map((x) => (positive ? Math.abs(x) + 0.5 : x));
  }
  for (const [name, { shape, values: given }] of Object.entries(integers)) {
    values[name] = input(name, shape, 'int32');
    numbers[name] = given;
  }
  return { values, numbers };
}

export function randomNumbers(shape: KnownShape, ...key: (string | number)[]): number[] {
  const size = shape.reduce((product, n) => product * n, 1);
  return Array.from({ length: size }, (_, i) => Math.fround(randomNormal(randomKey(...key), i)));
}

/** Every case with its op and name, for tests by table. */
export const allCases = Object.entries(opCases).flatMap(([op, cases]) =>
  Object.entries(cases).map(([name, opCase]) => ({ op, name, opCase })),
);

export const communicates = (op: string) =>
  ['copyToParallel', 'allReduce', 'allGather', 'reduceScatter'].includes(op);
