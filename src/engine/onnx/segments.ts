import type { Program } from '../../graph/program.js';
import type { Node, OpName, Value } from '../../graph/value.js';

/** Ops that run between sessions, on memory: what ONNX Runtime lacks or does slowly, and communication. */
const hostOps = ['dropoutMask', 'scatterAdd', 'allReduce', 'allGather', 'reduceScatter'] as const;
/** Ops that do nothing to their input's value. */
const aliasOps = ['copyToParallel', 'stopGradient'] as const;
const leafOps = ['input', 'constant'] as const;

export type HostOp = (typeof hostOps)[number];
type AliasOp = (typeof aliasOps)[number];
type LeafOp = (typeof leafOps)[number];
export type OnnxOp = Exclude<OpName, HostOp | AliasOp | LeafOp>;

export type HostNode = { [Name in HostOp]: Node<Name> }[HostOp] & Value;
export type OnnxNode = { [Name in OnnxOp]: Node<Name> }[OnnxOp] & Value;

/** What runs as one session, from the values it takes to those it leaves for others. */
export interface Segment {
  readonly kind: 'segment';
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
}

export interface HostStep {
  readonly kind: 'host';
  readonly node: HostNode;
}

/** In the order in which they run. */
export type Plan = readonly (Segment | HostStep)[];

const has = (ops: readonly OpName[], { op }: Value) => ops.includes(op);
export const isHostNode = (value: Value): value is HostNode => has(hostOps, value);
const isLeaf = (value: Value) => has(leafOps, value);
const isOnnxNode = (value: Value): value is OnnxNode =>
  !isLeaf(value) && !isHostNode(value) && !has(aliasOps, value);

/** Follows ops that do nothing to the value that they stand for. */
export function resolveAlias(value: Value): Value {
  return has(aliasOps, value) ? resolveAlias(value.inputs[0]!) : value;
}

/**
 * Cuts a program into sessions at its host ops: a node runs in the earliest session that its inputs allow,
 * so that there is one session more than there are host ops in a row.
 */
export function planSegments(program: Program): Plan {
  const level = new Map<Value, number>();
  const levelOf = (value: Value): number => {
    const source = resolveAlias(value);
    if (isLeaf(source)) return -1;
    return isHostNode(source) ? level.get(source)! + 1 : Math.max(0, level.get(source)!);
  };
  for (const node of program.nodes)
    if (isHostNode(node) || isOnnxNode(node)) {
      const ready = Math.max(-1, ...node.inputs.map(levelOf));
      level.set(node, isOnnxNode(node) ? Math.max(0, ready) : ready);
    }

  const segmentNodes = new Map<number, OnnxNode[]>();
  const hostNodes = new Map<number, HostNode[]>();
  for (const [node, number] of level) {
    if (isHostNode(node)) hostNodes.set(number, [...(hostNodes.get(number) ?? []), node]);
    else if (isOnnxNode(node)) segmentNodes.set(number, [...(segmentNodes.get(number) ?? []), node]);
  }

  const usedOutside = (node: OnnxNode, number: number): boolean =>
    [...program.outputs.values()].some((output) => resolveAlias(output) === node) ||
    users.get(node)!.some((user) => isHostNode(user) || level.get(user) !== number);
  const users = usersOf(program);

  const steps: (Segment | HostStep)[] = [];
  for (let number = -1; number <= Math.max(-1, ...level.values()); number++) {
    const nodes = segmentNodes.get(number) ?? [];
    if (nodes.length > 0) {
      const own = new Set<Value>(nodes);
      const taken = new Set(nodes.flatMap((node) => node.inputs.map(resolveAlias)));
      steps.push({
        kind: 'segment',
        nodes,
        inputs: [...taken].filter((value) => !own.has(value) && value.op !== 'constant'),
        outputs: nodes.filter((node) => usedOutside(node, number)),
      });
    }
    for (const node of hostNodes.get(number) ?? []) steps.push({ kind: 'host', node });
  }
  return steps;
}

/** The nodes that read each value, aliases seen through. */
export function usersOf({ nodes }: Pick<Program, 'nodes'>): Map<Value, Value[]> {
  const users = new Map<Value, Value[]>(nodes.map((node) => [node, []]));
  for (const node of nodes)
    if (resolveAlias(node) === node)
      for (const input of node.inputs) users.get(resolveAlias(input))!.push(node);
  return users;
}
