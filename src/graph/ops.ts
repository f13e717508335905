import {
  add,
  allGather,
  allReduce,
  broadcast,
  cast,
  concat,
  divide,
  equal,
  erf,
  exp,
  gather,
  less,
  matmul,
  mean,
  multiply,
  negate,
  reduceScatter,
  reshape,
  scatterAdd,
  select,
  slice,
  sqrt,
  subtract,
  sum,
  sumTo,
  transpose,
  zerosLike,
} from './functions.js';
import { knownSize } from './dimension.js';
import * as shapes from './shapes.js';
import type { Type } from './shapes.js';
import type { Node, OpAttributes, OpName, Value } from './value.js';

/** Gradients with respect to the inputs of `y`, in order; undefined where none flows. */
type GradientRule<Name extends OpName> = (dy: Value, y: Node<Name> & Value) => readonly (Value | undefined)[];

export interface Op<Name extends OpName> {
  /** Type of the result. @throws ShapeError */
  readonly type: (inputs: readonly Value[], attributes: OpAttributes[Name]) => Type;
  readonly gradient: GradientRule<Name>;
}

const noGradient = () => [];

/** The op table: each op is its shape rule and its gradient rule, and nothing else. */
export const ops: { readonly [Name in OpName]: Op<Name> } = {
  // leaves: their types are given where they are made
  input: { type: () => ({ shape: [], dtype: 'float32' }), gradient: noGradient },
  constant: { type: () => ({ shape: [], dtype: 'float32' }), gradient: noGradient },

  /** 0, 1, 2 … */
  iota: { type: (_, { size }) => ({ shape: [size], dtype: 'int32' }), gradient: noGradient },

  add: {
    type: shapes.arithmetic,
    gradient: (dy, { inputs: [a, b] }) => [sumTo(dy, a!.shape), sumTo(dy, b!.shape)],
  },
  subtract: {
    type: shapes.arithmetic,
    gradient: (dy, { inputs: [a, b] }) => [sumTo(dy, a!.shape), sumTo(negate(dy), b!.shape)],
  },
  multiply: {
    type: shapes.arithmetic,
    gradient: (dy, { inputs: [a, b] }) => [
      sumTo(multiply(dy, b!), a!.shape),
      sumTo(multiply(dy, a!), b!.shape),
    ],
  },
  divide: {
    type: shapes.arithmetic,
    gradient: (dy, y) => {
      const [a, b] = y.inputs as [Value, Value];
      return [sumTo(divide(dy, b), a.shape), sumTo(negate(multiply(dy, divide(y, b))), b.shape)];
    },
  },
  exp: { type: shapes.elementwise, gradient: (dy, y) => [multiply(dy, y)] },
  log: { type: shapes.elementwise, gradient: (dy, { inputs: [x] }) => [divide(dy, x!)] },
  /** Of equal operands the second receives the gradient. */
  maximum: {
    type: shapes.arithmetic,
    gradient: (dy, { inputs }) => {
      const [a, b] = inputs as [Value, Value];
      const isFirst = less(b, a);
      return [sumTo(select(isFirst, dy, 0), a.shape), sumTo(select(isFirst, 0, dy), b.shape)];
    },
  },
  sqrt: { type: shapes.elementwise, gradient: (dy, y) => [divide(dy, multiply(2, y))] },
  tanh: { type: shapes.elementwise, gradient: (dy, y) => [multiply(dy, subtract(1, multiply(y, y)))] },
  erf: {
    type: shapes.elementwise,
    gradient: (dy, { inputs: [x] }) => [
      multiply(dy, multiply(2 / Math.sqrt(Math.PI), exp(negate(multiply(x!, x!))))),
    ],
  },
  /** x·Φ(x), Φ the normal distribution function: the erf form. Its derivative is Φ(x) + x·φ(x). */
  gelu: {
    type: shapes.elementwise,
    gradient: (dy, { inputs }) => {
      const x = inputs[0]!;
      const distribution = multiply(0.5, add(1, erf(multiply(Math.SQRT1_2, x))));
      const density = multiply(1 / Math.sqrt(2 * Math.PI), exp(multiply(-0.5, multiply(x, x))));
      return [multiply(dy, add(distribution, multiply(x, density)))];
    },
  },
  /** Over the last axis. */
  softmax: {
    type: shapes.elementwise,
    gradient: (dy, y) => {
      const weighted = multiply(dy, y);
      return [subtract(weighted, multiply(y, sum(weighted, [-1])))];
    },
  },
  /** Over the last axis; inputs x, scale, bias. */
  layerNorm: {
    type: shapes.layerNorm,
    gradient: (dy, { inputs, attributes }) => {
      const [x, scale, bias] = inputs as [Value, Value, Value];
      const centred = subtract(x, mean(x, [-1]));
      const inverseDeviation = divide(
        1,
        sqrt(add(mean(multiply(centred, centred), [-1]), attributes.epsilon)),
      );
      const normalised = multiply(centred, inverseDeviation);
      const scaled = multiply(dy, scale);
      const alongNormalised = multiply(normalised, mean(multiply(scaled, normalised), [-1]));
      return [
        multiply(subtract(subtract(scaled, mean(scaled, [-1])), alongNormalised), inverseDeviation),
        sumTo(multiply(dy, normalised), scale.shape),
        sumTo(dy, bias.shape),
      ];
    },
  },

  matmul: {
    type: shapes.matmul,
    gradient: (dy, { inputs, attributes: { transposeA, transposeB } }) => {
      const [a, b] = inputs as [Value, Value];
      return [
        transposeA
          ? matmul(b, dy, { transposeA: transposeB, transposeB: true })
          : matmul(dy, b, { transposeB: !transposeB }),
        transposeB
          ? matmul(dy, a, { transposeA: true, transposeB: transposeA })
          : matmul(a, dy, { transposeA: !transposeA }),
      ];
    },
  },
  sum: { type: shapes.reduction, gradient: (dy, { inputs: [x] }) => [broadcast(dy, x!.shape)] },
  /** Equal maxima each receive the whole gradient. */
  max: {
    type: shapes.reduction,
    gradient: (dy, y) => [multiply(dy, cast(equal(y.inputs[0]!, y), 'float32'))],
  },

  reshape: { type: shapes.reshape, gradient: (dy, { inputs: [x] }) => [reshape(dy, x!.shape)] },
  broadcast: { type: shapes.broadcast, gradient: (dy, { inputs: [x] }) => [sumTo(dy, x!.shape)] },
  transpose: {
    type: shapes.transpose,
    gradient: (dy, { attributes: { permutation } }) => [
      transpose(
        dy,
        permutation.map((_, axis) => permutation.indexOf(axis)),
      ),
    ],
  },
  slice: {
    type: shapes.slice,
    gradient: (dy, { inputs, attributes: { axis, start, end } }) => {
      const { shape } = inputs[0]!;
      const zeros = (size: number) => (size > 0 ? [broadcast(0, shape.with(axis, size))] : []);
      return [concat([...zeros(start), dy, ...zeros(knownSize(shape[axis]!) - end)], axis)];
    },
  },
  concat: {
    type: shapes.concat,
    gradient: (dy, { inputs, attributes: { axis } }) => {
      let start = 0;
      return inputs.map(({ shape }) => slice(dy, axis, start, (start += knownSize(shape[axis]!))));
    },
  },

  /** Rows of a table by number; a row of zeros where the number is outside the table. */
  gather: {
    type: shapes.gather,
    gradient: (dy, { inputs: [table, ids] }) => [scatterAdd(zerosLike(table!), ids!, dy)],
  },
  /** Adds updates to rows of a table by number; updates outside the table are dropped. */
  scatterAdd: {
    type: shapes.scatterAdd,
    gradient: (dy, { inputs: [, ids] }) => [dy, undefined, gather(dy, ids!)],
  },
  /** A row of zeros where the number is outside the depth. */
  oneHot: {
    type: ([ids], { depth }) => {
      shapes.requireType('int32', [ids!]);
      return { shape: [...ids!.shape, depth], dtype: 'float32' };
    },
    gradient: noGradient,
  },
  equal: { type: shapes.comparison, gradient: noGradient },
  less: { type: shapes.comparison, gradient: noGradient },
  select: {
    type: shapes.select,
    gradient: (dy, { inputs }) => {
      const [condition, a, b] = inputs as [Value, Value, Value];
      return [undefined, sumTo(select(condition, dy, 0), a.shape), sumTo(select(condition, 0, dy), b.shape)];
    },
  },
  cast: { type: ([x], { dtype }) => ({ shape: x!.shape, dtype }), gradient: noGradient },
  stopGradient: { type: ([x]) => x!, gradient: noGradient },
  /** Zeros (with probability `rate`) and 1/(1 − rate), a function of the key alone: see `src/random.ts`. */
  dropoutMask: {
    type: ([key], attributes) => {
      shapes.requireType('int32', [key!]);
      shapes.requireShape([2], key!);
      return { shape: shapes.part(attributes), dtype: 'float32' };
    },
    gradient: noGradient,
  },

  // Communication. The first two are Megatron's f and g (arXiv 1909.08053, figure 3): x is the same on all
  // ranks before f and after g, and so is its gradient.
  /** f: identity; its gradient is the sum over the ranks. */
  copyToParallel: { type: ([x]) => x!, gradient: (dy, { attributes }) => [allReduce(dy, attributes)] },
  /** g, for `sum`: the sum over the ranks; its gradient is the identity. */
  allReduce: {
    type: shapes.elementwise,
    gradient: (dy, { attributes }) => (attributes.reduction === 'sum' ? [dy] : []),
  },
  // The next two are each other's transpose, for values that differ from rank to rank.
  allGather: {
    type: shapes.allGather,
    gradient: (dy, { attributes }) => [reduceScatter(dy, attributes, attributes.axis)],
  },
  reduceScatter: {
    type: shapes.reduceScatter,
    gradient: (dy, { attributes }) => [allGather(dy, attributes, attributes.axis)],
  },
};
