import { sameShape, type DType, type Node, type Shape, type Value } from '../../graph/value.js';
import {
  encodeModel,
  type AttributeValue,
  type OnnxNode as ModelNode,
  type OnnxTensor,
  type OnnxType,
} from './protobuf.js';
import { resolveAlias, type OnnxOp, type Segment } from './segments.js';

/** Writes the nodes of one model. Names are those of results. */
interface Emitter {
  /** Adds a node and names its result. */
  node(
    type: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, AttributeValue>>,
  ): string;
  /** Adds a node of ONNX Runtime's own operator set. */
  contributed(
    type: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, AttributeValue>>,
  ): string;
  constant(type: OnnxType, shape: Shape, data: readonly number[]): string;
}

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
  add: simple('Add'),
  subtract: simple('Sub'),
  multiply: simple('Mul'),
  divide: simple('Div'),
  exp: simple('Exp'),
  log: simple('Log'),
  sqrt: simple('Sqrt'),
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
    const rows = x!.shape[0]!;
    if (shape.length === 2 && axes.join() === '0')
      // a row of ones times the matrix: twice as fast as ReduceSum over rows
      return onnx.node('MatMul', [
        onnx.constant('float32', [1, rows], new Array<number>(rows).fill(1)),
        inputs[0]!,
      ]);
    return onnx.node('ReduceSum', [inputs[0]!, int64s(onnx, axes)], { keepdims: { int: 1 } });
  },
  max: (onnx, inputs, { attributes: { axes } }) =>
    onnx.node('ReduceMax', inputs, { axes: { ints: axes }, keepdims: { int: 1 } }),
  reshape: (onnx, inputs, { shape }) => onnx.node('Reshape', [inputs[0]!, int64s(onnx, shape)]),
  broadcast: (onnx, inputs, { shape }) => onnx.node('Expand', [inputs[0]!, int64s(onnx, shape)]),
  transpose: (onnx, inputs, { attributes: { permutation } }) =>
    onnx.node('Transpose', inputs, { perm: { ints: permutation } }),
  slice: (onnx, inputs, { attributes: { axis, start, end } }) =>
    onnx.node('Slice', [inputs[0]!, ...[start, end, axis].map((value) => int64s(onnx, [value]))]),
  concat: (onnx, inputs, { attributes: { axis } }) => onnx.node('Concat', inputs, { axis: { int: axis } }),
  gather: (onnx, [table, ids], { inputs: [tableValue, idsValue] }) => {
    const last = onnx.constant('int32', [], [tableValue!.shape[0]! - 1]);
    const inside = onnx.node('Min', [onnx.node('Max', [ids!, onnx.constant('int32', [], [0])]), last]);
    const isInside = onnx.node('Cast', [onnx.node('Equal', [inside, ids!])], { to: { int: castTo.float32 } });
    const column = onnx.node('Reshape', [isInside, int64s(onnx, [...idsValue!.shape, 1])]);
    return onnx.node('Mul', [onnx.node('Gather', [table!, inside]), column]);
  },
  oneHot: (onnx, [ids], { inputs: [idsValue], attributes: { depth } }) => {
    const column = onnx.node('Reshape', [ids!, int64s(onnx, [...idsValue!.shape, 1])]);
    const numbers = onnx.constant(
      'int32',
      [depth],
      Array.from({ length: depth }, (_, i) => i),
    );
    return onnx.node('Cast', [onnx.node('Equal', [column, numbers])], { to: { int: castTo.float32 } });
  },
  equal: simple('Equal'),
  select: simple('Where'),
  cast: (onnx, inputs, { dtype }) => onnx.node('Cast', inputs, { to: { int: castTo[dtype] } }),
};

/** a·b + c in one pass over the result; a and b have two axes, c broadcasts to the result. */
function gemm(
  onnx: Emitter,
  inputs: readonly string[],
  { transposeA, transposeB }: { transposeA: boolean; transposeB: boolean },
): string {
  return onnx.node('Gemm', inputs, {
    transA: { int: Number(transposeA) },
    transB: { int: Number(transposeB) },
  });
}

function lower<Name extends OnnxOp>(node: Node<Name>, onnx: Emitter, inputs: readonly string[]): string {
  return (lowerings[node.op] as Lowering<Name>)(onnx, inputs, node);
}

/** The products that a following sum swallows (see `gemm`), each with the sum's other operand. */
function fuseProducts({ nodes, outputs }: Segment): Map<Value, { product: Node<'matmul'>; other: Value }> {
  const uses = new Map<Value, number>();
  for (const input of nodes.flatMap((node) => node.inputs.map(resolveAlias)))
    uses.set(input, (uses.get(input) ?? 0) + 1);
  const kept = new Set<Value>(outputs);
  const own = new Set<Value>(nodes);
  const fused = new Map<Value, { product: Node<'matmul'>; other: Value }>();
  for (const node of nodes) {
    if (node.op !== 'add') continue;
    const isFree = (value: Value): value is Node<'matmul'> =>
      value.op === 'matmul' &&
      value.shape.length === 2 &&
      sameShape(value.shape, node.shape) &&
      own.has(value) &&
      !kept.has(value) &&
      uses.get(value) === 1;
    const [a, b] = node.inputs.map(resolveAlias) as [Value, Value];
    // of two products the later one swallows the sum: the earlier is at hand then
    const [product, other] = isFree(b) ? [b, a] : [a, b];
    if (isFree(product)) fused.set(node, { product, other });
  }
  return fused;
}

/** A segment as an ONNX model, with the names of its inputs and outputs in the segment's order. */
export interface LoweredSegment {
  readonly model: Uint8Array;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
}

export function lowerSegment(segment: Segment): LoweredSegment {
  const nodes: ModelNode[] = [];
  const initializers = new Map<string, OnnxTensor>();
  const emit =
    (domain: 'com.microsoft' | undefined) =>
    (type: string, inputs: readonly string[], attributes = {}) => {
      const name = `${type}_${nodes.length}`;
      nodes.push({ type, inputs, outputs: [name], attributes, ...(domain ? { domain } : {}) });
      return name;
    };
  const onnx: Emitter = {
    node: emit(undefined),
    contributed: emit('com.microsoft'),
    constant(type, shape, data) {
      const array =
        type === 'int64'
          ? BigInt64Array.from(data, BigInt)
          : type === 'int32'
            ? Int32Array.from(data)
            : type === 'bool'
              ? Uint8Array.from(data)
              : Float32Array.from(data);
      const key = `${type}[${shape.join()}] ${data.join()}`;
      const known = initializers.get(key);
      if (known) return known.name;
      const tensor = { name: `constant_${initializers.size}`, type, shape, data: array };
      initializers.set(key, tensor);
      return tensor.name;
    },
  };

  const names = new Map<Value, string>(segment.inputs.map((value, i) => [value, `input_${i}`]));
  const nameOf = (value: Value): string => {
    const source = resolveAlias(value);
    return source.op === 'constant'
      ? onnx.constant(source.dtype, [], [source.attributes.value])
      : names.get(source)!;
  };
  const fused = fuseProducts(segment);
  const swallowed = new Set<Value>([...fused.values()].map(({ product }) => product));
  for (const node of segment.nodes) {
    if (swallowed.has(node)) continue;
    const fusion = fused.get(node);
    names.set(
      node,
      fusion
        ? gemm(onnx, [...fusion.product.inputs, fusion.other].map(nameOf), fusion.product.attributes)
        : lower(node, onnx, node.inputs.map(nameOf)),
    );
  }

  const info = (value: Value) => ({ name: names.get(value)!, type: value.dtype, shape: value.shape });
  const inputs = segment.inputs.map(info);
  const outputs = segment.outputs.map(info);
  return {
    model: encodeModel({ nodes, initializers: [...initializers.values()], inputs, outputs }),
    inputNames: inputs.map(({ name }) => name),
    outputNames: outputs.map(({ name }) => name),
  };
}
