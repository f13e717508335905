import { resolveDimension } from '../../graph/dimension.js';
import type { Program } from '../../graph/program.js';
import { formatType, knownShape, sizeOf, type DType, type Value } from '../../graph/value.js';
import type { FilePlace, HostArray, HostTensor, LoadedProgram, LoadOptions, Weight } from '../engine.js';
import { lowerSegment, type ConstantWeight } from './lower-segment.js';
import type { FilePart } from './protobuf.js';
import type { Runtime, RuntimeTensor } from './runtime.js';
import { planSegments, resolveAlias, type Segment } from './segments.js';

const arrays: Record<DType, new (length: number) => HostArray> = {
  float32: Float32Array,
  int32: Int32Array,
  bool: Uint8Array,
};

/** Compiles a program that communicates with nobody into one session, its weights constant. */
export async function loadProgram(
  program: Program,
  weights: ReadonlyMap<string, Weight>,
  { prepack }: LoadOptions,
  runtime: Runtime,
): Promise<LoadedProgram> {
  const segment = onlySegment(program);
  const folder = folderOf(weights.values());
  const { model, inputNames, outputNames } = lowerSegment(
    segment,
    new Map([...weights].map(([name, weight]) => [name, toConstant(weight)])),
  );
  const session = await runtime.createSession(model, inputNames, outputNames, {
    weightsFolder: folder,
    prepack,
  });

  const inputs = segment.inputs.flatMap((value) =>
    value.op === 'input' && !weights.has(value.attributes.name) ? [value] : [],
  );
  return {
    async run(given, signal) {
      const tensors = inputs.map((value) => findTensor(given, value.attributes.name, value));
      const sizes = bindSizes(inputs.map((value, i) => [value, tensors[i]!]));
      const results = segment.outputs.map((value) => emptyTensor(value, sizes));
      const bound = [...tensors, ...results].map(({ data, dims }) => runtime.createTensor(data, dims));
      try {
        await session.run(bound.slice(0, tensors.length), bound.slice(tensors.length), signal);
      } finally {
        bound.forEach((tensor: RuntimeTensor) => {
          tensor.release();
        });
      }
      const computed = new Map<Value, HostTensor>([
        ...inputs.map((value, i) => [value, tensors[i]!] as const),
        ...segment.outputs.map((value, i) => [value, results[i]!] as const),
      ]);
      return Object.fromEntries(
        [...program.outputs].map(([name, value]) => [name, computed.get(resolveAlias(value))!]),
      );
    },
    release: () => {
      session.release();
    },
  };
}

function onlySegment(program: Program): Segment {
  const plan = planSegments(program);
  const [step] = plan;
  if (plan.length !== 1 || step?.kind !== 'segment')
    throw new Error('a program that is loaded must run in one session, without communication');
  return step;
}

function toConstant(weight: Weight): ConstantWeight {
  if (weight.type !== 'int8') return { type: weight.type, data: toData(weight) };
  const { full, values, scales } = weight;
  return {
    type: full.type,
    data: toData(full),
    quantized: { values: toData(values), scales: toData(scales) },
  };
}

function toData<Data>(weight: FilePlace | { readonly data: Data }): Data | FilePart {
  if ('data' in weight) return weight.data;
  return { location: weight.file, offset: weight.offset, byteLength: weight.byteLength };
}

/** ONNX Runtime takes the files of one folder. */
function folderOf(weights: Iterable<Weight>): string | undefined {
  const parts = [...weights].flatMap((weight) =>
    weight.type === 'int8' ? [weight.full, weight.values, weight.scales] : [weight],
  );
  const folders = new Set(parts.flatMap((part) => ('folder' in part ? [part.folder] : [])));
  if (folders.size > 1) throw new Error(`the files of a model lie in ${[...folders].join(' and ')}`);
  return [...folders][0];
}

function findTensor(given: Readonly<Record<string, HostTensor>>, name: string, expected: Value): HostTensor {
  const tensor = given[name];
  if (!tensor) throw new Error(`the input ${name} is missing`);
  if (!(tensor.data instanceof arrays[expected.dtype]) || tensor.dims.length !== expected.shape.length)
    throw new Error(
      `the input ${name}: expected ${formatType(expected)}, found ${tensor.data.constructor.name}[${tensor.dims.join(', ')}]`,
    );
  return tensor;
}

/** What the inputs' shapes say of the sizes that have names. */
function bindSizes(inputs: readonly (readonly [Value, HostTensor])[]): Record<string, number> {
  const sizes: Record<string, number> = {};
  for (const [{ shape }, { dims }] of inputs)
    shape.forEach((size, axis) => {
      if (typeof size === 'string' && /^\w+$/.test(size)) sizes[size] ??= dims[axis]!;
    });
  for (const [value, { dims }] of inputs)
    if (value.shape.some((size, axis) => resolveDimension(size, sizes) !== dims[axis]))
      throw new Error(
        `expected ${formatType(value)} where ${Object.entries(sizes)
          .map(([name, size]) => `${name} is ${size}`)
          .join(', ')}, found [${dims.join(', ')}]`,
      );
  return sizes;
}

function emptyTensor({ shape, dtype }: Value, sizes: Readonly<Record<string, number>>): HostTensor {
  const dims = shape.map((size) => resolveDimension(size, sizes));
  return { dims, data: new arrays[dtype](sizeOf(knownShape(dims))) };
}
