import type { Program } from '../../graph/program.js';
import { formatType, sameShape, type Value } from '../../graph/value.js';
import type { Buffers, Executable } from '../engine.js';
import { runHostOp, type Groups } from './host-ops.js';
import { lowerSegment } from './lower-segment.js';
import type { Memory, OnnxAllocator, OnnxBuffer } from './memory.js';
import type { Runtime, RuntimeSession } from './runtime.js';
import {
  isHostNode,
  planSegments,
  resolveAlias,
  usersOf,
  type HostNode,
  type Plan,
  type Segment,
} from './segments.js';

/** Finds the buffer of each value in one run. */
type Locate = (value: Value) => OnnxBuffer;

type Step = (locate: Locate) => void | Promise<void>;

export interface OwnedExecutable extends Executable {
  release(): void;
}

/** What programs of an engine have in common. */
interface Surroundings {
  readonly groups: Groups;
  /** For what goes from one session to the next. */
  readonly intermediate: OnnxAllocator;
  readonly inTurn: (run: () => Promise<void>) => Promise<void>;
}

export async function compileProgram(
  program: Program,
  runtime: Runtime,
  memory: Memory,
  { groups, intermediate, inTurn }: Surroundings,
): Promise<OwnedExecutable> {
  const sessions: RuntimeSession[] = [];
  const steps: Step[] = [];
  const plan = planSegments(program);
  for (const step of plan)
    if (step.kind === 'host') steps.push(hostStep(step.node, groups));
    else {
      const session = await openSession(step, runtime);
      sessions.push(session);
      steps.push((locate) =>
        session.run(
          step.inputs.map((value) => locate(value).tensor),
          step.outputs.map((value) => locate(value).tensor),
        ),
      );
    }

  const { storageOf, named, copies, intermediates } = assignStorage(program, plan);
  const owned = new Map(intermediates.map((value) => [value, intermediate.allocate([value])[0]]));

  const execute = async (inputs: Buffers, outputs: Buffers): Promise<void> => {
    const given = new Map<Value, OnnxBuffer>(owned);
    for (const [name, value] of program.inputs) given.set(value, check(memory, inputs, name, value, 'input'));
    for (const [name, value] of named) given.set(value, check(memory, outputs, name, value, 'output'));
    const locate: Locate = (value) => given.get(storageOf(resolveAlias(value)))!;
    for (const step of steps) await step(locate);
    for (const [name, value] of copies)
      check(memory, outputs, name, value, 'output').data.set(locate(value).data);
  };

  return {
    run: (inputs, outputs) => inTurn(() => execute(inputs, outputs)),
    release() {
      for (const session of sessions) session.release();
    },
  };
}

function openSession(segment: Segment, runtime: Runtime): Promise<RuntimeSession> {
  const { model, inputNames, outputNames } = lowerSegment(segment);
  return runtime.createSession(model, inputNames, outputNames, { sharesMemory: true });
}

const hostStep =
  (node: HostNode, groups: Groups): Step =>
  (locate) =>
    runHostOp(node, node.inputs.map(locate), locate(node), groups);

function check(memory: Memory, buffers: Buffers, name: string, expected: Value, role: string): OnnxBuffer {
  const buffer = buffers[name];
  if (!buffer) throw new Error(`the ${role} ${name} is missing`);
  if (buffer.dtype !== expected.dtype || !sameShape(buffer.shape, expected.shape))
    throw new Error(`the ${role} ${name}: expected ${formatType(expected)}, found ${formatType(buffer)}`);
  return memory.own(buffer);
}

/** Which values live in the caller's buffers, which share memory, and which need memory of their own. */
function assignStorage(
  program: Program,
  plan: Plan,
): {
  readonly storageOf: (value: Value) => Value;
  /** Outputs that are computed in their buffer. */
  readonly named: ReadonlyMap<string, Value>;
  /** Outputs that are copied to their buffer: inputs, and values that are an output already. */
  readonly copies: ReadonlyMap<string, Value>;
  readonly intermediates: readonly Value[];
} {
  const named = new Map<string, Value>();
  const copies = new Map<string, Value>();
  for (const [name, output] of program.outputs) {
    const value = resolveAlias(output);
    const isComputed = value.op !== 'input' && value.op !== 'constant';
    if (isComputed && ![...named.values()].includes(value)) named.set(name, value);
    else copies.set(name, value);
  }
  if ([...copies.values()].some(({ op }) => op === 'constant'))
    throw new Error('a program cannot output a constant');
  const outputs = new Set(named.values());

  // an op that works in place takes over its first input's memory where nobody else needs that
  const users = usersOf(program);
  const takenOver = new Map<Value, Value>();
  for (const node of program.nodes) {
    if (node.op !== 'scatterAdd' && node.op !== 'allReduce') continue;
    const first = resolveAlias(node.inputs[0]!);
    if (
      first.op !== 'input' &&
      first.op !== 'constant' &&
      users.get(first)!.length === 1 &&
      !outputs.has(first)
    )
      takenOver.set(first, node);
  }
  const storageOf = (value: Value): Value => {
    const successor = takenOver.get(value);
    return successor ? storageOf(successor) : value;
  };

  const crossing = plan.flatMap((step) => (step.kind === 'host' ? [step.node] : step.outputs));
  const constants = program.nodes
    .filter(isHostNode)
    .flatMap(({ inputs }) => inputs.filter(({ op }) => op === 'constant'));
  if (constants.length > 0)
    throw new Error('a constant must be broadcast before it is communicated or scattered to');
  const intermediates = new Set(crossing.map(storageOf).filter((value) => !outputs.has(value)));
  return { storageOf, named, copies, intermediates: [...intermediates] };
}
