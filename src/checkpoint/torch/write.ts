/**
 * Writes files that `torch.load` reads: the zip format of PyTorch 1.6 and later.
 * Sources: torch/serialization.py, caffe2/serialize/inline_container.cc (names, alignment), PKWARE's APPNOTE.TXT.
 */
import { open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { InputError } from '../../errors.js';
import { writeFully } from '../file-bytes.js';
import { pickle } from './pickle.js';
import { elementsOf } from './tensor.js';

/** A tensor that is to be written: one object is one storage, wherever it stands in the value. */
export interface PlainTensor {
  readonly kind: 'plain';
  readonly dtype: 'F32' | 'F16' | 'BF16';
  readonly shape: readonly number[];
}

export interface TorchWriter {
  /** Each tensor once, in any order. @param bytes row-major, little-endian */
  readonly write: (tensor: PlainTensor, bytes: Uint8Array) => Promise<void>;
  /** @throws RangeError where a tensor was not written */
  readonly finish: () => Promise<void>;
  /** Closes a file that stays incomplete. */
  readonly abandon: () => Promise<void>;
}

/** Bytes at whose multiples numbers start, so that files can be mapped. */
const alignment = 64;
const localLength = 30;
/** Of the extra fields: each begins with a name and a length. */
const fieldHeader = 4;
const zip64Length = fieldHeader + 16;
const limit32 = 0xffffffff;

interface Entry {
  readonly name: Buffer;
  readonly byteLength: number;
  readonly headerOffset: number;
  readonly dataOffset: number;
  crc?: number;
}

/**
 * Starts a file: everything but the numbers is known by now.
 *
 * @param value see `pickle`; Maps become dictionaries
 * @throws InputError where no file can be made there
 */
export async function createTorchFile(path: string, value: unknown): Promise<TorchWriter> {
  const keys = new Map<PlainTensor, string>();
  const keyOf = (tensor: PlainTensor) => {
    const key = keys.get(tensor) ?? String(keys.size);
    keys.set(tensor, key);
    return key;
  };
  const small: [name: string, bytes: Buffer][] = [
    ['data.pkl', pickle(value, keyOf)],
    ['byteorder', Buffer.from('little')],
    ['version', Buffer.from('3\n')],
  ];
  const tensorLength = ({ dtype, shape }: PlainTensor) => elementsOf(shape) * (dtype === 'F32' ? 4 : 2);
  const sizes = [
    ...small.map(([name, bytes]): [string, number] => [name, bytes.length]),
    ...[...keys].map(([tensor, key]): [string, number] => [`data/${key}`, tensorLength(tensor)]),
  ];
  const { entries, end } = layOut(sizes.map(([name, length]) => [`archive/${name}`, length]));

  const file = await open(path, 'wx').catch((error: unknown) => {
    throw new InputError(`${path}: cannot be written: ${(error as Error).message}`, { cause: error });
  });
  const fill = async (entry: Entry, bytes: Uint8Array) => {
    if (bytes.byteLength !== entry.byteLength)
      throw new RangeError(`${entry.name.toString()}: ${bytes.byteLength} bytes, not ${entry.byteLength}`);
    await writeFully(file, bytes, entry.dataOffset);
    entry.crc = crc32(bytes);
  };
  for (const [i, [, bytes]] of small.entries()) await fill(entries[i]!, bytes);
  return {
    write: (tensor, bytes) => fill(entries[small.length + Number(keys.get(tensor))]!, bytes),
    async finish() {
      for (const entry of entries) await writeFully(file, localHeader(entry), entry.headerOffset);
      await writeFully(file, directory(entries, end), end);
      await file.sync();
      await file.close();
    },
    abandon: () => file.close(),
  };
}

function layOut(sizes: readonly (readonly [name: string, byteLength: number])[]): {
  entries: Entry[];
  end: number;
} {
  let at = 0;
  const entries = sizes.map(([name, byteLength]): Entry => {
    const headerOffset = at;
    const least = headerOffset + localLength + name.length + zip64Length + fieldHeader;
    const dataOffset = alignment * Math.ceil(least / alignment);
    at = dataOffset + byteLength;
    return { name: Buffer.from(name), byteLength, headerOffset, dataOffset };
  });
  return { entries, end: at };
}

/** The fields that local headers and the directory share: version, flags, method, time, date, checksum, sizes. */
function commonFields({ name, byteLength, crc }: Entry, extraLength: number): Buffer {
  if (crc === undefined) throw new RangeError(`${name.toString()} was not written`);
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(45, 0);
  fields.writeUInt16LE((1 << 5) | 1, 8); // the first of January 1980
  fields.writeUInt32LE(crc, 10);
  const stated = byteLength >= limit32 ? limit32 : byteLength;
  fields.writeUInt32LE(stated, 14);
  fields.writeUInt32LE(stated, 18);
  fields.writeUInt16LE(name.length, 22);
  fields.writeUInt16LE(extraLength, 24);
  return fields;
}

/** The extra field of 64-bit numbers. */
function zip64Field(numbers: readonly number[]): Buffer {
  const field = Buffer.alloc(fieldHeader + 8 * numbers.length);
  field.writeUInt16LE(1, 0);
  field.writeUInt16LE(8 * numbers.length, 2);
  numbers.forEach((number, i) => field.writeBigUInt64LE(BigInt(number), fieldHeader + 8 * i));
  return field;
}

function localHeader(entry: Entry): Buffer {
  const { name, byteLength, headerOffset, dataOffset } = entry;
  const extraLength = dataOffset - headerOffset - localLength - name.length;
  const long = byteLength >= limit32 ? zip64Field([byteLength, byteLength]) : Buffer.alloc(0);
  const padding = Buffer.alloc(extraLength - long.length);
  padding.write('FB', 0, 'latin1'); // as torch names its padding
  padding.writeUInt16LE(padding.length - fieldHeader, 2);
  return Buffer.concat([
    Buffer.from('PK\x03\x04', 'latin1'),
    commonFields(entry, extraLength),
    name,
    long,
    padding,
  ]);
}

function directory(entries: readonly Entry[], offset: number): Buffer {
  const records = entries.map((entry) => {
    const { byteLength, headerOffset, name } = entry;
    const long = [
      ...(byteLength >= limit32 ? [byteLength, byteLength] : []),
      ...(headerOffset >= limit32 ? [headerOffset] : []),
    ];
    const extra = long.length > 0 ? zip64Field(long) : Buffer.alloc(0);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(Math.min(headerOffset, limit32), 10);
    const start = Buffer.from('PK\x01\x02\x2d\x00', 'latin1');
    return Buffer.concat([start, commonFields(entry, extra.length), rest, name, extra]);
  });
  const length = records.reduce((sum, record) => sum + record.length, 0);
  return Buffer.concat([...records, endRecords(entries.length, offset, length)]);
}

/** The end of the directory, in 64 bits and in 32. */
function endRecords(count: number, offset: number, length: number): Buffer {
  const end64 = Buffer.alloc(56);
  end64.write('PK\x06\x06', 'latin1');
  end64.writeBigUInt64LE(44n, 4);
  end64.writeUInt16LE(45, 12);
  end64.writeUInt16LE(45, 14);
  end64.writeBigUInt64LE(BigInt(count), 24);
  end64.writeBigUInt64LE(BigInt(count), 32);
  end64.writeBigUInt64LE(BigInt(length), 40);
  end64.writeBigUInt64LE(BigInt(offset), 48);
  const locator = Buffer.alloc(20);
  locator.write('PK\x06\x07', 'latin1');
  locator.writeBigUInt64LE(BigInt(offset + length), 8);
  locator.writeUInt32LE(1, 16);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(Math.min(count, 0xffff), 8);
  end.writeUInt16LE(Math.min(count, 0xffff), 10);
  end.writeUInt32LE(Math.min(length, limit32), 12);
  end.writeUInt32LE(Math.min(offset, limit32), 16);
  return Buffer.concat([end64, locator, end]);
}
