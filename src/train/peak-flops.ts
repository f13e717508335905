import type { Engine } from '../engine/engine.js';
import { input, matmul } from '../graph/functions.js';
import { makeProgram } from '../graph/program.js';
import { sizeOf, type KnownShape } from '../graph/value.js';
import type { Communicator } from '../parallel/communicator.js';

const size = 1024;
/** Seconds that it may take, the first product left out. */
const longest = 0.25;

/**
 * Floating-point operations a second that the ranks reach together where each multiplies large matrices: the best of
 * several products, which all begin at once. Every rank calls this.
 */
export async function measurePeakFlops(engine: Engine, communicator: Communicator): Promise<number> {
  const a = input('a', [size, size]);
  const b = input('b', [size, size]);
  const product = matmul(a, b);
  const executable = await engine.compile(makeProgram({ product }));
  const buffers = engine.allocate([a, b, product]);
  const [left, right, result] = buffers;
  for (const buffer of [left, right]) await engine.write(buffer, numbers(buffer.shape));
  const multiply = async () => {
    await communicator.barrier();
    const started = performance.now();
    await executable.run({ a: left, b: right }, { product: result });
    const seconds = Float32Array.of((performance.now() - started) / 1000);
    await communicator.allReduce(seconds, 'max');
    return seconds[0]!;
  };
  await multiply();
  let best = Infinity;
  for (let spent = 0; spent < longest;) {
    const seconds = await multiply();
    best = Math.min(best, seconds);
    spent += seconds;
  }
  engine.free(buffers);
  return (communicator.size * 2 * size ** 3) / best;
}

/** Any that are neither zero nor equal. */
const numbers = (shape: KnownShape) =>
  Float32Array.from({ length: sizeOf(shape) }, (_, i) => (i % 251) / 251);
