import { knownShape, sizeOf, type DType, type KnownShape } from '../../graph/value.js';
import type { Buffer, BufferType, HostArray } from '../engine.js';
import { createArena, type Arena } from '../kernels/kernels.js';
import type { Runtime, RuntimeTensor } from './runtime.js';

/** A buffer in WebAssembly memory, where kernels and ONNX Runtime both reach it. */
export interface OnnxBuffer extends Buffer {
  readonly arena: Arena;
  readonly offset: number;
  readonly data: HostArray;
  /** Made when it is first asked for: of many buffers only kernels ever see the memory. */
  readonly tensor: RuntimeTensor;
  readonly release: () => void;
}

interface Place {
  readonly arena: Arena;
  readonly offset: number;
}

const views: Record<DType, new (memory: ArrayBuffer, offset: number, length: number) => HostArray> = {
  float32: Float32Array,
  int32: Int32Array,
  bool: Uint8Array,
};
const itemSizes: Record<DType, number> = { float32: 4, int32: 4, bool: 1 };
const alignment = 64;
/** Address space only: pages become memory when they are first touched. */
const arenaBytes = 256 * 2 ** 20;
/** The least that a region grows by. */
const chunkBytes = 4 * 2 ** 20;

const byteLength = ({ shape, dtype }: Buffer) =>
  Math.max(alignment, Math.ceil((sizeOf(shape) * itemSizes[dtype]) / alignment) * alignment);

export interface OnnxAllocator {
  allocate<const Types extends readonly BufferType[]>(
    types: Types,
  ): { readonly [I in keyof Types]: OnnxBuffer };
}

export interface Memory extends OnnxAllocator {
  /** See `Engine`. */
  region(): () => OnnxAllocator;
  view(buffer: OnnxBuffer, start: number, shape: KnownShape): OnnxBuffer;
  free(buffers: readonly OnnxBuffer[]): void;
  allocatedBytes(): number;
  /** @throws Error when the buffer is not of this memory or was freed */
  own(buffer: Buffer): OnnxBuffer;
  release(): void;
}

export function createMemory(runtime: Runtime): Memory {
  const buffers = new Set<OnnxBuffer>();
  const viewed = new Set<Buffer>();
  const freed = new Map<number, Place[]>();
  let regionBytes = 0;
  let arena: Arena | undefined;
  let left = 0;

  const place = (bytes: number): Place => {
    const reused = freed.get(bytes)?.pop();
    if (reused) return reused;
    if (!arena || left < bytes) {
      left = Math.max(arenaBytes, bytes);
      arena = createArena(left);
    }
    left -= bytes;
    return { arena, offset: arena.allocate(bytes) };
  };
  const toBuffer = ({ shape, dtype }: Buffer, { arena, offset }: Place): OnnxBuffer => {
    const data = new views[dtype](arena.memory, offset, sizeOf(shape));
    let tensor: RuntimeTensor | undefined;
    const buffer: OnnxBuffer = {
      ...{ shape, dtype, arena, offset, data },
      get tensor() {
        return (tensor ??= runtime.createTensor(data, shape));
      },
      release: () => tensor?.release(),
    };
    buffers.add(buffer);
    return buffer;
  };

  /** One after the other, from a place that is found for all of them. */
  const allocateAt = <const Types extends readonly BufferType[]>(
    types: Types,
    find: (bytes: number) => Place,
  ) => {
    const known = types.map(({ shape, dtype }) => ({ shape: knownShape(shape), dtype }));
    const sizes = known.map(byteLength);
    const { arena, offset } = find(sizes.reduce((sum, size) => sum + size, 0));
    let start = offset;
    return known.map((type, i) => {
      const buffer = toBuffer(type, { arena, offset: start });
      start += sizes[i]!;
      return buffer;
    }) as unknown as { readonly [I in keyof Types]: OnnxBuffer };
  };

  return {
    allocate(types) {
      const allocated = allocateAt(types, place);
      for (const { data } of allocated) data.fill(0);
      return allocated;
    },
    region() {
      const chunks: (Place & { readonly bytes: number; mostUsed: number })[] = [];
      return () => {
        let current = 0;
        let used = 0;
        const next = (bytes: number): Place => {
          while (current < chunks.length && used + bytes > chunks[current]!.bytes) {
            current++;
            used = 0;
          }
          if (current === chunks.length) {
            const size = Math.max(chunkBytes, bytes);
            chunks.push({ ...place(size), bytes: size, mostUsed: 0 });
          }
          const chunk = chunks[current]!;
          const start = chunk.offset + used;
          used += bytes;
          regionBytes += Math.max(0, used - chunk.mostUsed);
          chunk.mostUsed = Math.max(used, chunk.mostUsed);
          return { arena: chunk.arena, offset: start };
        };
        return {
          allocate(types) {
            const allocated = allocateAt(types, next);
            for (const buffer of allocated) viewed.add(buffer);
            return allocated;
          },
        };
      };
    },
    view({ arena, offset, data, dtype }, start, shape) {
      if (!(start >= 0 && start + sizeOf(shape) <= data.length))
        throw new RangeError(`${sizeOf(shape)} numbers from ${start} on are not within ${data.length}`);
      const buffer = toBuffer({ shape, dtype }, { arena, offset: offset + start * itemSizes[dtype] });
      viewed.add(buffer);
      return buffer;
    },
    free(discarded) {
      for (const buffer of discarded) {
        this.own(buffer);
        buffers.delete(buffer);
        buffer.release();
        const bytes = byteLength(buffer);
        freed.set(bytes, [...(freed.get(bytes) ?? []), buffer]);
      }
    },
    allocatedBytes: () =>
      [...buffers].reduce((sum, buffer) => sum + (viewed.has(buffer) ? 0 : byteLength(buffer)), regionBytes),
    own(buffer) {
      if (!buffers.has(buffer as OnnxBuffer))
        throw new Error('this buffer was freed, or is of another engine');
      return buffer as OnnxBuffer;
    },
    release() {
      for (const buffer of buffers) buffer.release();
      buffers.clear();
      viewed.clear();
      freed.clear();
      arena = undefined;
      left = 0;
      regionBytes = 0;
    },
  };
}
