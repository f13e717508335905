import type { Dimension } from '../../graph/dimension.js';
import type { DType, Node, Shape } from '../../graph/value.js';
import type { Emitter } from './emitter.js';
import type { OnnxOp } from './segments.js';

type Lowering<Name extends OnnxOp> = (onnx: Emitter, inputs: readonly string[], node: Node<Name>) => string;

/** ONNX's TensorProto.DataType */
const castTo: Record<DType, number> = { float32: 1, int32: 6, bool: 9 };

const simple =
  (type: string): ((onnx: Emitter, inputs: readonly string[]) => string) =>
  (onnx, inputs) =>
    onnx.node(type, inputs);

const int64s = (onnx: Emitter, values: readonly number[]) => onnx.constant('int64', [values.length], values);

/** The formulation of each op that was measured to be fastest. */
const lowerings: { readonly [Name in OnnxOp]: Lowering<Name> } = {
  iota: (onnx, _, { attributes: { size } }) => counted(onnx, size),
  add: simple('Add'),
  subtract: simple('Sub'),
  multiply: simple('Mul'),
  divide: simple('Div'),
  exp: simple('Exp'),
  log: simple('Log'),
  sqrt: simple('Sqrt'),
  maximum: simple('Max'),
  tanh: simple('Tanh'),
  erf: simple('Erf'),
  gelu: (onnx, inputs) => onnx.contributed('Gelu', inputs),
  softmax: (onnx, inputs) => onnx.node('Softmax', inputs, { axis: { int: -1 } }),
  layerNorm: (onnx, inputs, { attributes: { epsilon } }) =>
    onnx.node('LayerNormalization', inputs, { axis: { int: -1 }, epsilon: { float: epsilon } }),
  matmul: (onnx, inputs, { shape, attributes: { transposeA, transposeB } }) => {
    if (!transposeA && !transposeB) return onnx.node('MatMul', inputs);
    if (shape.length === 2) return gemm(onnx, inputs, { transposeA, transposeB });
    const attributes = { transA: { int: Number(transposeA) }, transB: { int: Number(transposeB) } };
    return onnx.contributed('FusedMatMul', inputs, attributes);
  },
  sum: (onnx, inputs, { shape, inputs: [x], attributes: { axes } }) => {
    const rows = x!.shape[0];
    if (shape.length === 2 && axes.join() === '0' && typeof rows === 'number')
      // a row of ones times the matrix: twice as fast as ReduceSum over rows
      return onnx.node('MatMul', [
        onnx.constant('float32', [1, rows], new Array<number>(rows).fill(1)),
        inputs[0]!,
      ]);
    return onnx.node('ReduceSum', [inputs[0]!, int64s(onnx, axes)], { keepdims: { int: 1 } });
  },
  max: (onnx, inputs, { attributes: { axes } }) =>
    onnx.node('ReduceMax', inputs, { axes: { ints: axes }, keepdims: { int: 1 } }),
  reshape: (onnx, inputs, { shape }) => onnx.node('Reshape', [inputs[0]!, reshapeTarget(onnx, shape)]),
  broadcast: (onnx, inputs, { shape }) => onnx.node('Expand', [inputs[0]!, onnx.shape(shape)]),
  transpose: (onnx, inputs, { attributes: { permutation } }) =>
    onnx.node('Transpose', inputs, { perm: { ints: permutation } }),
  slice: (onnx, inputs, { attributes: { axis, start, end } }) =>
    onnx.node('Slice', [inputs[0]!, ...[start, end, axis].map((value) => int64s(onnx, [value]))]),
  concat: (onnx, inputs, { attributes: { axis } }) => onnx.node('Concat', inputs, { axis: { int: axis } }),
  gather: (onnx, [table, ids], { inputs: [tableValue] }) => {
    const rows = tableValue!.shape[0]!;
    // only the host names rows by places in a batch, and it knows how many there are
    if (typeof rows === 'string') return onnx.node('Gather', [table!, ids!]);
    const last = onnx.constant('int32', [], [rows - 1]);
    const inside = onnx.node('Min', [onnx.node('Max', [ids!, onnx.constant('int32', [], [0])]), last]);
    const isInside = onnx.node('Cast', [onnx.node('Equal', [inside, ids!])], { to: { int: castTo.float32 } });
    const column = onnx.node('Unsqueeze', [isInside, int64s(onnx, [-1])]);
    return onnx.node('Mul', [onnx.node('Gather', [table!, inside]), column]);
  },
  oneHot: (onnx, [ids], { attributes: { depth } }) => {
    const column = onnx.node('Unsqueeze', [ids!, int64s(onnx, [-1])]);
    const numbers = typeof depth === 'number' ? counted(onnx, depth) : countTo(onnx, depth);
    return onnx.node('Cast', [onnx.node('Equal', [column, numbers])], { to: { int: castTo.float32 } });
  },
  equal: simple('Equal'),
  less: simple('Less'),
  select: simple('Where'),
  cast: (onnx, inputs, { dtype }) => onnx.node('Cast', inputs, { to: { int: castTo[dtype] } }),
};

/** One size that is named can be told from the others. */
function reshapeTarget(onnx: Emitter, shape: Shape): string {
  if (shape.filter((size) => typeof size === 'string').length !== 1) return onnx.shape(shape);
  return int64s(
    onnx,
    shape.map((size) => (typeof size === 'number' ? size : -1)),
  );
}

const counted = (onnx: Emitter, size: number) => onnx.constant('int32', [size], [...Array(size).keys()]);

/** The same for a size that has a name. */
function countTo(onnx: Emitter, size: Dimension): string {
  const scalar = (value: number) => onnx.constant('int64', [], [value]);
  const end = onnx.node('Squeeze', [onnx.shape([size]), int64s(onnx, [0])]);
  const numbers = onnx.node('Range', [scalar(0), end, scalar(1)]);
  return onnx.node('Cast', [numbers], { to: { int: castTo.int32 } });
}

/** a·b + c in one pass over the result; a and b have two axes, c broadcasts to the result. */
export function gemm(
  onnx: Emitter,
  inputs: readonly string[],
  { transposeA, transposeB }: { transposeA: boolean; transposeB: boolean },
): string {
  return onnx.node('Gemm', inputs, {
    transA: { int: Number(transposeA) },
    transB: { int: Number(transposeB) },
  });
}

export function lower<Name extends OnnxOp>(
  node: Node<Name>,
  onnx: Emitter,
  inputs: readonly string[],
): string {
  return (lowerings[node.op] as Lowering<Name>)(onnx, inputs, node);
}
