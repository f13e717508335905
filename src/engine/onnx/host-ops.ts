import type { Node } from '../../graph/value.js';
import { partLayout, placePart, takePart } from '../../partition.js';
import { randomKey } from '../../random.js';
import type { Collectives } from '../engine.js';
import type { OnnxBuffer } from './memory.js';
import type { HostNode, HostOp } from './segments.js';

export type Groups = Readonly<Record<string, Collectives>>;

/** A tensor in any memory. */
export type HostNumbers = Pick<OnnxBuffer, 'shape' | 'data'>;

type HostKernel<Name extends HostOp, Numbers = HostNumbers> = (
  inputs: readonly Numbers[],
  output: Numbers,
  node: Node<Name>,
  groups: Groups,
) => void | Promise<void>;

const floats = ({ data }: HostNumbers) => data as Float32Array;

/** @throws Error where there is none */
export function groupOf(groups: Groups, group: string): Collectives {
  const found = groups[group];
  if (!found) throw new Error(`no communicator for the group '${group}'`);
  return found;
}

/** Where the result starts as a copy of the first input; often both are the same memory. */
function copyFirst([input]: readonly HostNumbers[], output: HostNumbers): Float32Array {
  const [source, target] = [floats(input!), floats(output)];
  if (source.byteOffset !== target.byteOffset || source.buffer !== target.buffer) target.set(source);
  return target;
}

const dropoutMask: HostKernel<'dropoutMask', OnnxBuffer> = ([key], { arena, offset }, { attributes }) => {
  const { rate, site, unpartitionedShape, axis, parts, index } = attributes;
  const [low, high] = key!.data as Int32Array;
  arena.dropoutMask(
    offset,
    partLayout(unpartitionedShape, axis, parts, index),
    randomKey(low!, high!, site),
    rate,
  );
};

type PlainOp = Exclude<HostOp, 'dropoutMask'>;

/** Those that need no memory of the engine's. */
const kernels: { readonly [Name in PlainOp]: HostKernel<Name> } = {
  scatterAdd: (inputs, output) => {
    const table = copyFirst(inputs, output);
    const [rows, width] = output.shape as [number, number];
    const ids = inputs[1]!.data;
    const updates = floats(inputs[2]!);
    for (let i = 0; i < ids.length; i++) {
      const row = ids[i]!;
      if (row < 0 || row >= rows) continue;
      const target = row * width;
      const source = i * width;
      for (let column = 0; column < width; column++) table[target + column]! += updates[source + column]!;
    }
  },
  allReduce: (inputs, output, { attributes: { group, reduction } }, groups) =>
    groupOf(groups, group).allReduce(copyFirst(inputs, output), reduction),
  allGather: async ([part], whole, { attributes: { group, axis, size } }, groups) => {
    const gathered = new Float32Array(floats(whole).length);
    await groupOf(groups, group).allGather(floats(part!), gathered);
    const length = gathered.length / size;
    for (let p = 0; p < size; p++)
      placePart(
        gathered.subarray(p * length, (p + 1) * length),
        partLayout(whole.shape, axis, size, p),
        floats(whole),
      );
  },
  reduceScatter: async ([whole], part, { attributes: { group, axis, size } }, groups) => {
    const parts = new Float32Array(floats(whole!).length);
    const length = parts.length / size;
    for (let p = 0; p < size; p++)
      takePart(
        floats(whole!),
        partLayout(whole!.shape, axis, size, p),
        parts.subarray(p * length, (p + 1) * length),
      );
    await groupOf(groups, group).reduceScatter(parts, floats(part));
  },
};

export function runHostOp(node: HostNode, inputs: readonly OnnxBuffer[], output: OnnxBuffer, groups: Groups) {
  return node.op === 'dropoutMask'
    ? dropoutMask(inputs, output, node, groups)
    : runPlainOp(node, inputs, output, groups);
}

export type PlainNode = { [Name in PlainOp]: Node<Name> }[PlainOp];

export const isPlainNode = (node: HostNode): node is HostNode & PlainNode => node.op !== 'dropoutMask';

export function runPlainOp(
  node: PlainNode,
  inputs: readonly HostNumbers[],
  output: HostNumbers,
  groups: Groups,
) {
  return (kernels[node.op] as HostKernel<PlainOp>)(inputs, output, node, groups);
}
