import { resolveDimension } from '../../graph/dimension.js';
import type { Program } from '../../graph/program.js';
import { formatType, knownShape, sizeOf, type DType, type Value } from '../../graph/value.js';
import type { FilePlace, HostArray, HostTensor, LoadedProgram, LoadOptions, Weight } from '../engine.js';
import { isPlainNode, runPlainOp, type Groups } from './host-ops.js';
import { lowerSegment, type ConstantWeight } from './lower-segment.js';
import type { FilePart } from './protobuf.js';
import type { Runtime, RuntimeTensor, SessionOptions } from './runtime.js';
import { planSegments, resolveAlias, type HostNode, type Segment } from './segments.js';

const arrays: Record<DType, new (length: number) => HostArray> = {
  float32: Float32Array,
  int32: Int32Array,
  bool: Uint8Array,
};

/** Compiles a program into sessions, its weights constant: into one where it communicates with nobody. */
export async function loadProgram(
  program: Program,
  weights: ReadonlyMap<string, Weight>,
  { prepack }: LoadOptions,
  runtime: Runtime,
  groups: Groups,
): Promise<LoadedProgram> {
  const options = { weightsFolder: folderOf(weights.values()), prepack };
  const open = async (segment: Segment) =>
    openSegment(segment, await constantsOf(segment, weights), runtime, options);
  const steps: LoadedStep[] = [];
  for (const step of planSegments(program))
    steps.push(step.kind === 'segment' ? await open(step) : hostStep(step.node, groups));
  const unused = lastUses(steps, program);

  const inputs = [...program.inputs.values()].filter(({ attributes }) => !weights.has(attributes.name));
  return {
    async run(given, signal) {
      const tensors = inputs.map((value) => findTensor(given, value.attributes.name, value));
      const sizes = bindSizes(inputs.map((value, i) => [value, tensors[i]!]));
      const computed = new Map<Value, HostTensor>(inputs.map((value, i) => [value, tensors[i]!]));
      for (const [i, { inputs, outputs, run }] of steps.entries()) {
        const results = outputs.map((value) => emptyTensor(value, sizes));
        await run(
          inputs.map((value) => computed.get(value)!),
          results,
          sizes,
          signal,
        );
        outputs.forEach((value, j) => computed.set(value, results[j]!));
        for (const value of unused[i]!) computed.delete(value);
      }
      return Object.fromEntries(
        [...program.outputs].map(([name, value]) => [name, computed.get(resolveAlias(value))!]),
      );
    },
    release: () => {
      for (const { release } of steps) release();
    },
  };
}

type Sizes = Readonly<Record<string, number>>;

interface LoadedStep {
  /** None of them a weight. */
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly run: (
    inputs: readonly HostTensor[],
    outputs: readonly HostTensor[],
    sizes: Sizes,
    signal?: AbortSignal,
  ) => void | Promise<void>;
  readonly release: () => void;
}

async function openSegment(
  segment: Segment,
  weights: ReadonlyMap<string, ConstantWeight>,
  runtime: Runtime,
  options: SessionOptions,
): Promise<LoadedStep> {
  const { model, inputNames, sizes: told, outputNames } = lowerSegment(segment, weights);
  const session = await runtime.createSession(model, inputNames, outputNames, options);
  return {
    inputs: segment.inputs.filter((value) => !(value.op === 'input' && weights.has(value.attributes.name))),
    outputs: segment.outputs,
    async run(inputs, outputs, sizes, signal) {
      const tensors = [...inputs, ...told.map((name) => sizeTensor(sizes[name]!)), ...outputs];
      const bound = tensors.map(({ data, dims }) => runtime.createTensor(data, dims));
      try {
        const count = inputNames.length;
        await session.run(bound.slice(0, count), bound.slice(count), signal);
      } finally {
        bound.forEach((tensor: RuntimeTensor) => {
          tensor.release();
        });
      }
    },
    release: () => {
      session.release();
    },
  };
}

/** See `sizeInput`. */
const sizeTensor = (size: number): HostTensor => ({ dims: [size, 0], data: new Float32Array() });

function hostStep(node: HostNode, groups: Groups): LoadedStep {
  if (!isPlainNode(node)) throw new Error('a program that is loaded drops nothing');
  const numbers = ({ dims, data }: HostTensor) => ({ shape: dims, data });
  return {
    inputs: node.inputs.map(resolveAlias),
    outputs: [node],
    run: (inputs, [output]) => runPlainOp(node, inputs.map(numbers), numbers(output!), groups),
    release: () => undefined,
  };
}

/** What no step after each one, and no output, needs. */
function lastUses(steps: readonly LoadedStep[], { outputs }: Program): Value[][] {
  const needed = new Set<Value>([...outputs.values()].map(resolveAlias));
  return steps
    .toReversed()
    .map(({ inputs }) => {
      const last = inputs.filter((value) => !needed.has(value));
      for (const value of inputs) needed.add(value);
      return last;
    })
    .reverse();
}

/** The weights that a segment takes. */
async function constantsOf(
  { inputs }: Segment,
  weights: ReadonlyMap<string, Weight>,
): Promise<Map<string, ConstantWeight>> {
  const constants = new Map<string, ConstantWeight>();
  for (const value of inputs) {
    const weight = value.op === 'input' ? weights.get(value.attributes.name) : undefined;
    if (value.op === 'input' && weight) constants.set(value.attributes.name, await toConstant(weight));
  }
  return constants;
}

async function toConstant(weight: Weight): Promise<ConstantWeight> {
  if ('read' in weight) return { type: weight.type, data: await weight.read() };
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
  const parts = [...weights].flatMap((weight): object[] =>
    weight.type === 'int8' ? [weight.full, weight.values, weight.scales] : [weight],
  );
  const folders = new Set(parts.flatMap((part) => ('folder' in part ? [part.folder as string] : [])));
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
function bindSizes(inputs: readonly (readonly [Value, HostTensor])[]): Sizes {
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

function emptyTensor({ shape, dtype }: Value, sizes: Sizes): HostTensor {
  const dims = shape.map((size) => resolveDimension(size, sizes));
  return { dims, data: new arrays[dtype](sizeOf(knownShape(dims))) };
}
