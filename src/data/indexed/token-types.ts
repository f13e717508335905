import { InputError } from '../../errors.js';

/** The number types of Megatron-LM's data sets that token ids can have, by numpy's names. */
export type TokenType = 'uint8' | 'int8' | 'int16' | 'int32' | 'int64' | 'uint16';

/** Those that data sets are written in. */
export type WrittenTokenType = 'uint16' | 'int32';

interface TokenTypeFacts {
  /** In an index. 6 and 7 are floating-point types, and not the same ones in all versions of Megatron-LM. */
  readonly code: number;
  readonly bytes: number;
}

export const tokenTypes: Readonly<Record<TokenType, TokenTypeFacts>> = {
  uint8: { code: 1, bytes: 1 },
  int8: { code: 2, bytes: 1 },
  int16: { code: 3, bytes: 2 },
  int32: { code: 4, bytes: 4 },
  int64: { code: 5, bytes: 8 },
  uint16: { code: 8, bytes: 2 },
};

/** @throws InputError where it is the code of no type that ids have */
export function tokenTypeOfCode(code: number, file: string): TokenType {
  for (const [name, facts] of Object.entries(tokenTypes)) if (facts.code === code) return name as TokenType;
  throw new InputError(
    `${file}: expected the code of an integer type (1 to 5, or 8), found ${code}${code === 6 || code === 7 ? ' (floating-point numbers)' : ''}`,
  );
}

/** As Megatron-LM chooses: 65,500 and more need 32 bits. */
export const tokenTypeFor = (vocabSize: number): WrittenTokenType => (vocabSize < 65500 ? 'uint16' : 'int32');

/** Token ids as they were stored, or else as 32-bit numbers. */
export type Tokens = Uint16Array | Int32Array;

/** @param bytes at the beginning of their buffer @throws InputError for ids of more than 32 bits */
export function tokensOf(bytes: Buffer, dtype: TokenType, file: string): Tokens {
  const { buffer, byteLength } = bytes;
  const count = byteLength / tokenTypes[dtype].bytes;
  switch (dtype) {
    case 'uint16':
      return new Uint16Array(buffer, 0, count);
    case 'int32':
      return new Int32Array(buffer, 0, count);
    case 'uint8':
      return Int32Array.from(new Uint8Array(buffer, 0, count));
    case 'int8':
      return Int32Array.from(new Int8Array(buffer, 0, count));
    case 'int16':
      return Int32Array.from(new Int16Array(buffer, 0, count));
    case 'int64':
      return Int32Array.from(new BigInt64Array(buffer, 0, count), (id) => {
        if (BigInt.asIntN(32, id) !== id) throw new InputError(`${file}: ${id} is no token id`);
        return Number(id);
      });
  }
}

/** @throws InputError for an id that the type cannot hold, or that is not below `limit` */
export function toTokenBytes(ids: ArrayLike<number>, dtype: WrittenTokenType, limit: number): Uint8Array {
  const tokens = dtype === 'uint16' ? new Uint16Array(ids.length) : new Int32Array(ids.length);
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    if (!(Number.isInteger(id) && id >= 0 && id < limit))
      throw new InputError(`expected token ids from 0 to ${limit - 1}, found ${id}`);
    tokens[i] = id;
  }
  return new Uint8Array(tokens.buffer);
}

/** Ids that a type can hold are below this. */
export const idLimit: Readonly<Record<WrittenTokenType, number>> = { uint16: 2 ** 16, int32: 2 ** 31 };
