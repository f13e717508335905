import { formatProgram } from '../../graph/program.js';
import type { Engine, TrainedParameter } from '../engine.js';
import { compileProgram, type OwnedExecutable } from './executable.js';
import type { Groups } from './host-ops.js';
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

  return {
    allocate: (types) => memory.allocate(types),
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
      const executable = compileProgram(program, runtime, memory, groups);
      compiled.set(key, executable);
      return executable;
    },
    load: (program, weights, options) => loadProgram(program, weights, options, runtime),
    async adamW(parameter, options) {
      const { value, gradient, firstMoment, secondMoment } = ownParameter(parameter);
      for (const { arena } of [gradient, firstMoment, secondMoment])
        if (arena !== value.arena)
          throw new Error('a parameter, its gradient and moments must be allocated together');
      value.arena.adamW(
        value.offset,
        gradient.offset,
        firstMoment.offset,
        secondMoment.offset,
        value.data.length,
        options,
      );
    },
    async sumOfSquares(buffer) {
      const { arena, offset, data } = memory.own(buffer);
      return arena.sumOfSquares(offset, data.length);
    },
    async release() {
      for (const executable of await Promise.allSettled(compiled.values()))
        if (executable.status === 'fulfilled') executable.value.release();
      compiled.clear();
      memory.release();
    },
  };

  function ownParameter({ value, gradient, firstMoment, secondMoment }: TrainedParameter) {
    return {
      value: memory.own(value),
      gradient: memory.own(gradient),
      firstMoment: memory.own(firstMoment),
      secondMoment: memory.own(secondMoment),
    };
  }
}
