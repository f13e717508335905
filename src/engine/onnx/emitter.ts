import { termsOf, type Dimension } from '../../graph/dimension.js';
import type { KnownShape, Shape } from '../../graph/value.js';
import type { AttributeValue, OnnxNode, OnnxTensor, OnnxType } from './protobuf.js';

/** Writes the nodes of one model. Names are those of results. */
export interface Emitter {
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
  constant(type: OnnxType, shape: KnownShape, data: readonly number[]): string;
  /** A shape as int64[axes], computed from the inputs' shapes where its sizes are named. */
  shape(shape: Shape): string;
}

/** What is written of a model. */
export interface Writing {
  readonly emitter: Emitter;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
  /** Adds a tensor that is not computed. */
  readonly addInitializer: (tensor: OnnxTensor) => void;
  /** The named sizes that no input tells: the model is to have an input more for each, see `sizeInput`. */
  readonly untold: ReadonlySet<string>;
}

/** An input without numbers, whose shape tells a size. */
export const sizeInput = (size: string) => ({
  name: `size_${size}`,
  type: 'float32' as const,
  shape: [size, 0],
});

/** @param inputs the model's inputs, whose shapes say at run time how large the named sizes are */
export function startWriting(inputs: readonly { readonly name: string; readonly shape: Shape }[]): Writing {
  const nodes: OnnxNode[] = [];
  const initializers: OnnxTensor[] = [];
  const constants = new Map<string, string>();
  const dimensions = new Map<Dimension, string>();
  const untold = new Set<string>();

  const emit =
    (domain: 'com.microsoft' | undefined) =>
    (type: string, nodeInputs: readonly string[], attributes = {}) => {
      const name = `${type}_${nodes.length}`;
      nodes.push({ type, inputs: nodeInputs, outputs: [name], attributes, ...(domain ? { domain } : {}) });
      return name;
    };
  const node = emit(undefined);

  const constant = (type: OnnxType, shape: KnownShape, data: readonly number[]): string => {
    const key = `${type}[${shape.join()}] ${data.join()}`;
    const known = constants.get(key);
    if (known !== undefined) return known;
    const name = `constant_${constants.size}`;
    constants.set(key, name);
    initializers.push({ name, type, shape, data: toArray(type, data) });
    return name;
  };
  const sizes = (values: readonly number[]) => constant('int64', [values.length], values);

  /** int64[1] */
  const dimension = (size: Dimension): string => {
    if (typeof size === 'number') return sizes([size]);
    const known = dimensions.get(size);
    if (known !== undefined) return known;
    const terms = termsOf(size).map(({ coefficient, names }) => {
      const factors = names.map(namedSize);
      return [...factors, ...(coefficient === 1 && factors.length > 0 ? [] : [sizes([coefficient])])].reduce(
        (a, b) => node('Mul', [a, b]),
      );
    });
    const name = terms.reduce((a, b) => node('Add', [a, b]));
    dimensions.set(size, name);
    return name;
  };
  const namedSize = (size: string): string => {
    const told = inputs.find(({ shape }) => shape.includes(size));
    if (!told) untold.add(size);
    const { name, shape } = told ?? sizeInput(size);
    const axis = shape.indexOf(size);
    return node('Shape', [name], { start: { int: axis }, end: { int: axis + 1 } });
  };

  return {
    nodes,
    initializers,
    untold,
    addInitializer: (tensor) => {
      initializers.push(tensor);
    },
    emitter: {
      node,
      contributed: emit('com.microsoft'),
      constant,
      shape: (shape) =>
        shape.every((size) => typeof size === 'number')
          ? sizes(shape)
          : node('Concat', shape.map(dimension), { axis: { int: 0 } }),
    },
  };
}

function toArray(type: OnnxType, data: readonly number[]): OnnxTensor['data'] {
  switch (type) {
    case 'int64':
      return BigInt64Array.from(data, BigInt);
    case 'int32':
      return Int32Array.from(data);
    case 'float32':
      return Float32Array.from(data);
    case 'int8':
      return Int8Array.from(data);
    case 'uint8':
    case 'bool':
      return Uint8Array.from(data);
    default:
      throw new Error(`no constants of ${type} are needed`);
  }
}
