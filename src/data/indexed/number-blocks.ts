import { readBytes, type ByteSource } from '../../checkpoint/byte-source.js';
import { InputError } from '../../errors.js';

/** Numbers that are read at once. */
const blockLength = 2 ** 16;

/** 32-bit numbers of a file in blocks; those of an index are not aligned. */
export async function* int32Blocks(
  source: ByteSource,
  offset: number,
  count: number,
): AsyncGenerator<Int32Array> {
  for (let done = 0; done < count; done += blockLength) {
    const length = Math.min(blockLength, count - done);
    yield new Int32Array((await readBytes(source, offset + 4 * done, 4 * length)).buffer);
  }
}

/** What is larger than 2⁵³ in size is not exact, and so equals nothing that fits. @param bytes at the beginning of their buffer */
export function int64Numbers(bytes: Buffer): Float64Array {
  const halves = new Int32Array(bytes.buffer, 0, bytes.length / 4);
  const numbers = new Float64Array(bytes.length / 8);
  for (let i = 0; i < numbers.length; i++) numbers[i] = halves[2 * i + 1]! * 2 ** 32 + (halves[2 * i]! >>> 0);
  return numbers;
}

/** 64-bit numbers of a file in blocks. */
export async function* int64Blocks(
  source: ByteSource,
  offset: number,
  count: number,
): AsyncGenerator<Float64Array> {
  for (let done = 0; done < count; done += blockLength) {
    const length = Math.min(blockLength, count - done);
    yield int64Numbers(await readBytes(source, offset + 8 * done, 8 * length));
  }
}

/** Fields of a header, one after another. */
export function headerReader(bytes: Buffer, file: string) {
  let place = 0;
  return {
    uint8: () => bytes.readUInt8(place++),
    /** @throws InputError for a number that no count or size can be */
    uint64(what: string): number {
      const value = bytes.readBigUInt64LE(place);
      place += 8;
      if (value > BigInt(Number.MAX_SAFE_INTEGER))
        throw new InputError(`${file}: expected ${what}, found ${value}`);
      return Number(value);
    },
    skip(length: number) {
      place += length;
    },
  };
}
