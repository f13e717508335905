import { knownShape, sameShape, type Node, type Value } from '../../graph/value.js';
import { sizeInput, startWriting, type Emitter, type Writing } from './emitter.js';
import { gemm, lower } from './lowering.js';
import { encodeModel, type FilePart, type OnnxType } from './protobuf.js';
import { resolveAlias, type Segment } from './segments.js';

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

/** Values of an input that are part of the model. */
export interface ConstantWeight {
  /** 16-bit floats are widened when the model is loaded. */
  readonly type: Extract<OnnxType, 'float32' | 'float16' | 'bfloat16'>;
  readonly data: Float32Array | FilePart;
  /** What stands for it in products x·wᵀ: int8 [in, out], and the scale of each of its columns. */
  readonly quantized?: {
    readonly values: Int8Array | FilePart;
    readonly scales: Float32Array | FilePart;
  };
}

/** A segment as an ONNX model, with the names of its inputs (but weights) and outputs in the segment's order. */
export interface LoweredSegment {
  readonly model: Uint8Array;
  /** The last of them tell `sizes`, by shapes [size, 0]. */
  readonly inputNames: readonly string[];
  readonly sizes: readonly string[];
  readonly outputNames: readonly string[];
}

/** @param weights values for some of the inputs, by name, which are no inputs of the model then */
export function lowerSegment(
  segment: Segment,
  weights: ReadonlyMap<string, ConstantWeight> = new Map(),
): LoweredSegment {
  const weightOf = (value: Value) => (value.op === 'input' ? weights.get(value.attributes.name) : undefined);
  const names = new Map<Value, string>(segment.inputs.map((value, i) => [value, `input_${i}`]));
  const info = (value: Value) => ({ name: names.get(value)!, type: value.dtype, shape: value.shape });
  const inputs = segment.inputs.filter((value) => !weightOf(value)).map(info);
  const writing = startWriting(inputs);
  const { emitter, nodes, initializers, addInitializer } = writing;

  const products = new Map<Value, QuantizedNames>();
  for (const value of segment.inputs) {
    const weight = weightOf(value);
    if (!weight) continue;
    const name = names.get(value)!;
    if (weight.quantized) products.set(value, addQuantized(writing, name, value, weight.quantized));
    const isOnlyMultiplied = segment.nodes.every(
      (node) => !node.inputs.includes(value) || quantizedProduct(node, products) !== undefined,
    );
    if (isOnlyMultiplied && weight.quantized) continue;
    addInitializer({ name, type: weight.type, shape: knownShape(value.shape), data: weight.data });
    if (weight.type !== 'float32') names.set(value, emitter.node('Cast', [name], { to: { int: 1 } }));
  }

  const nameOf = (value: Value): string => {
    const source = resolveAlias(value);
    return source.op === 'constant'
      ? emitter.constant(source.dtype, [], [source.attributes.value])
      : names.get(source)!;
  };
  const fused = fuseProducts(segment);
  const swallowed = new Set<Value>([...fused.values()].map(({ product }) => product));
  for (const node of segment.nodes) {
    if (swallowed.has(node)) continue;
    const fusion = fused.get(node);
    const product = fusion?.product ?? node;
    const quantized = quantizedProduct(product, products);
    names.set(
      node,
      quantized
        ? quantizedMatmul(emitter, nameOf(product.inputs[0]!), quantized, fusion && nameOf(fusion.other))
        : fusion
          ? gemm(emitter, [...fusion.product.inputs, fusion.other].map(nameOf), fusion.product.attributes)
          : lower(node, emitter, node.inputs.map(nameOf)),
    );
  }

  const outputs = segment.outputs.map(info);
  const sizes = [...writing.untold];
  const allInputs = [...inputs, ...sizes.map(sizeInput)];
  return {
    model: encodeModel({ nodes, initializers, inputs: allInputs, outputs }),
    inputNames: allInputs.map(({ name }) => name),
    sizes,
    outputNames: outputs.map(({ name }) => name),
  };
}

interface QuantizedNames {
  readonly values: string;
  readonly scales: string;
}

function addQuantized(
  { addInitializer }: Writing,
  name: string,
  { shape }: Value,
  { values, scales }: NonNullable<ConstantWeight['quantized']>,
): QuantizedNames {
  const [outputs, inputs] = knownShape(shape) as [number, number];
  const names = { values: `${name}_int8`, scales: `${name}_scales` };
  addInitializer({ name: names.values, type: 'int8', shape: [inputs, outputs], data: values });
  addInitializer({ name: names.scales, type: 'float32', shape: [outputs], data: scales });
  return names;
}

/** The 8-bit weight of a product x·wᵀ that has one. */
function quantizedProduct(
  node: Value,
  products: ReadonlyMap<Value, QuantizedNames>,
): QuantizedNames | undefined {
  const isProduct =
    node.op === 'matmul' &&
    node.attributes.transposeB &&
    !node.attributes.transposeA &&
    node.shape.length === 2;
  return isProduct ? products.get(resolveAlias(node.inputs[1]!)) : undefined;
}

/** x is rounded to 8 bits as a whole, in the range that it has in this run. */
function quantizedMatmul(
  onnx: Emitter,
  x: string,
  { values, scales }: QuantizedNames,
  addend: string | undefined,
): string {
  const product = onnx.contributed('DynamicQuantizeMatMul', [x, values, scales]);
  return addend === undefined ? product : onnx.node('Add', [product, addend]);
}
