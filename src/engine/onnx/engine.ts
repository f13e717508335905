import { formatProgram } from '../../graph/program.js';
import type { AdamOptions, Buffer, Engine, TrainedParameter } from '../engine.js';
import type { AdamResult } from '../kernels/kernels.js';
import { compileProgram, type OwnedExecutable } from './executable.js';
import { groupOf, type Groups } from './host-ops.js';
import { loadProgram } from './loaded-program.js';
import { createMemory } from './memory.js';
import type { Runtime } from './runtime.js';

/**
 * The engine over ONNX Runtime.
 *
 * @param groups the collectives of each group that programs communicate in
 */
export function createOnnxEngine(runtime: Runtime, groups: Groups = {}): Engine {
  const memory = createMemory(runtime);
  const compiled = new Map<string, Promise<OwnedExecutable>>();
  const betweenSessions = memory.region();
  // programs share that memory: one runs at a time
  let previous: Promise<unknown> = Promise.resolve();
  const inTurn = (run: () => Promise<void>): Promise<void> => {
    const turn = previous.then(run);
    previous = turn.catch(() => undefined);
    return turn;
  };

  return {
    allocate: (types) => memory.allocate(types),
    region: () => memory.region(),
    view: (buffer, start, shape) => memory.view(memory.own(buffer), start, shape),
    free: (buffers) => {
      memory.free(buffers.map((buffer) => memory.own(buffer)));
    },
    allocatedBytes: () => memory.allocatedBytes(),
    async write(buffer, data) {
      const { data: target } = memory.own(buffer);
      if (data.length !== target.length)
        throw new RangeError(`expected ${target.length} elements, found ${data.length}`);
      target.set(data);
    },
    read: async (buffer) => memory.own(buffer).data.slice(),
    compile(program) {
      const key = formatProgram(program);
      const known = compiled.get(key);
      if (known) return known;
      const executable = compileProgram(program, runtime, memory, {
        groups,
        intermediate: betweenSessions(),
        inTurn,
      });
      compiled.set(key, executable);
      return executable;
    },
    load: (program, weights, options) => loadProgram(program, weights, options, runtime, groups),
    adam: async (parameter, options, learningRate) => {
      adam(parameter, parameter.value, options, { keep: 1, scale: -learningRate });
    },
    adamDirection: async (parameter, options) => {
      adam(parameter, parameter.gradient, options, { keep: 0, scale: 1 });
    },
    async linearCombination(a, y, b, x) {
      const { arena, offsets, count } = together([y, x]);
      arena.linearCombination(a, offsets[0]!, b, offsets[1]!, count);
    },
    async sumOfSquares(buffer) {
      const { arena, offset, data } = memory.own(buffer);
      return arena.sumOfSquares(offset, data.length);
    },
    group(name) {
      const own = (buffer: Buffer) => memory.own(buffer).data as Float32Array;
      const group = () => groupOf(groups, name);
      return {
        allReduce: (data, reduction) => group().allReduce(own(data), reduction),
        allGather: (part, whole) => group().allGather(own(part), own(whole)),
        reduceScatter: (whole, part) => group().reduceScatter(own(whole), own(part)),
        broadcast: (data, root) => group().broadcast(own(data), root),
        startSum: (whole, part) => group().startSum(own(whole), part && own(part)),
        send: (data, to) => group().send(own(data), to),
        receive: (data, from) => group().receive(own(data), from),
      };
    },
    async release() {
      for (const executable of await Promise.allSettled(compiled.values()))
        if (executable.status === 'fulfilled') executable.value.release();
      compiled.clear();
      memory.release();
    },
  };

  function adam(
    { value, gradient, moments }: TrainedParameter,
    target: Buffer,
    options: AdamOptions,
    result: AdamResult,
  ): void {
    const { arena, offsets, count } = together([value, gradient, ...moments, target]);
    const [p, g, m, v, to] = offsets as [number, number, number, number, number];
    arena.adam(p, g, m, v, to, count, options, result);
  }

  /** Buffers that one kernel works on. */
  function together(buffers: readonly Buffer[]) {
    const own = buffers.map((buffer) => memory.own(buffer));
    const { arena, data } = own[0]!;
    if (own.some((other) => other.arena !== arena || other.data.length !== data.length))
      throw new Error('a parameter, its gradient and moments must be allocated together, in one size');
    return { arena, offsets: own.map(({ offset }) => offset), count: data.length };
  }
}
