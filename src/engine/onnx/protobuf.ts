/**
 * Writes ONNX models: the part of onnx.proto3 (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3) that
 * computation graphs with embedded constants need. The numbers below are its field numbers.
 */
import { bytesField, floatField, integerField, message, stringField } from '../../protobuf.js';

export type OnnxType = keyof typeof dataTypes;

export type AttributeValue =
  | { readonly int: number }
  | { readonly ints: readonly number[] }
  | { readonly float: number }
  | { readonly string: string };

export interface OnnxNode {
  readonly type: string;
  /** An empty name leaves an optional input out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** The default is ONNX's own operators. */
  readonly domain?: 'com.microsoft';
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
}

/** Where a tensor's bytes lie in a file, row-major and little-endian. */
export interface FilePart {
  /** The file's name in the folder that the session is told of. */
  readonly location: string;
  readonly offset: number;
  readonly byteLength: number;
}

export interface OnnxTensor {
  readonly name: string;
  readonly type: OnnxType;
  readonly shape: readonly number[];
  /** Row-major; bool is one byte each. */
  readonly data: Float32Array | Int32Array | BigInt64Array | Uint8Array | Int8Array | FilePart;
}

export interface OnnxValueInfo {
  readonly name: string;
  readonly type: OnnxType;
  /** Named sizes are known when the model runs. */
  readonly shape: readonly (number | string)[];
}

export interface OnnxModel {
  /** In topological order. */
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
}

const irVersion = 8;
const operatorSets = [
  { domain: '', version: 17 },
  { domain: 'com.microsoft', version: 1 },
];

/** TensorProto.DataType */
const dataTypes = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  bfloat16: 16,
};

/** A serialised ONNX ModelProto (IR version 8, opset 17 and com.microsoft 1). It is not validated: the runtime does that. */
export function encodeModel(model: OnnxModel): Uint8Array {
  const graph = message(
    ...model.nodes.map((node) => bytesField(1, encodeNode(node))),
    stringField(2, 'graph'),
    ...model.initializers.map((tensor) => bytesField(5, encodeTensor(tensor))),
    ...model.inputs.map((value) => bytesField(11, encodeValueInfo(value))),
    ...model.outputs.map((value) => bytesField(12, encodeValueInfo(value))),
  );
  return message(
    integerField(1, irVersion),
    bytesField(7, graph),
    ...operatorSets.map(({ domain, version }) =>
      bytesField(8, message(stringField(1, domain), integerField(2, version))),
    ),
  );
}

function encodeNode(node: OnnxNode): Uint8Array {
  return message(
    ...node.inputs.map((name) => stringField(1, name)),
    ...node.outputs.map((name) => stringField(2, name)),
    stringField(4, node.type),
    ...Object.entries(node.attributes ?? {}).map(([name, value]) =>
      bytesField(5, message(stringField(1, name), encodeAttributeValue(value))),
    ),
    stringField(7, node.domain ?? ''),
  );
}

/** The value and the type (field 20) of an AttributeProto. */
function encodeAttributeValue(value: AttributeValue): Uint8Array {
  if ('float' in value) return message(floatField(2, value.float), integerField(20, 1));
  if ('int' in value) return message(integerField(3, value.int), integerField(20, 2));
  if ('string' in value) return message(stringField(4, value.string), integerField(20, 3));
  return message(...value.ints.map((int) => integerField(8, int)), integerField(20, 7));
}

function encodeTensor({ name, type, shape, data }: OnnxTensor): Uint8Array {
  return message(
    ...shape.map((size) => integerField(1, size)),
    integerField(2, dataTypes[type]),
    stringField(8, name),
    'location' in data
      ? encodeFilePart(data)
      : // raw_data is little-endian, as is every machine that ONNX Runtime supports
        bytesField(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  );
}

/** external_data, and the data_location (field 14) that says so */
function encodeFilePart({ location, offset, byteLength }: FilePart): Uint8Array {
  const entries = { location, offset: String(offset), length: String(byteLength) };
  return message(
    ...Object.entries(entries).map(([key, value]) =>
      bytesField(13, message(stringField(1, key), stringField(2, value))),
    ),
    integerField(14, 1),
  );
}

function encodeValueInfo({ name, type, shape }: OnnxValueInfo): Uint8Array {
  const dimensions = message(
    ...shape.map((size) =>
      bytesField(1, typeof size === 'number' ? integerField(1, size) : stringField(2, size)),
    ),
  );
  const tensorType = message(integerField(1, dataTypes[type]), bytesField(2, dimensions));
  return message(stringField(1, name), bytesField(2, bytesField(1, tensorType)));
}
