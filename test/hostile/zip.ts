/** Zip archives of which every field can be told otherwise than it is. */
import { crc32, deflateRawSync } from 'node:zlib';

export interface ZipFile {
  readonly name: string;
  readonly data: Buffer;
  readonly isDeflated?: boolean;
  /** What the header before the bytes says instead of the truth, and what the directory says. */
  readonly local?: Partial<Fields>;
  readonly directory?: Partial<Fields>;
}

export interface Fields {
  readonly name: string;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly storedLength: number;
  readonly byteLength: number;
  /** Of the header, which only the directory tells. */
  readonly offset: number;
  readonly extra: Buffer;
  /** Of the extra field, where it is another than that has. */
  readonly extraLength?: number;
}

export interface End {
  readonly count: number;
  readonly length: number;
  readonly offset: number;
  readonly comment: Buffer;
  /** The record for 64 bits. */
  readonly long: Partial<Pick<End, 'count' | 'length' | 'offset'>> & { readonly at?: bigint };
}

/** Field 1: numbers of 64 bits. */
export const longNumbers = (...numbers: readonly bigint[]) => {
  const extra = Buffer.alloc(4 + 8 * numbers.length);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(8 * numbers.length, 2);
  numbers.forEach((number, i) => extra.writeBigUInt64LE(number, 4 + 8 * i));
  return extra;
};

export function zip(files: readonly ZipFile[], told: Partial<End> = {}): Buffer {
  let offset = 0;
  const bodies: Buffer[] = [];
  const records: Buffer[] = [];
  for (const { name, data, isDeflated = false, local, directory } of files) {
    const stored = isDeflated ? deflateRawSync(data) : data;
    const fields: Fields = {
      name,
      flags: 0,
      method: isDeflated ? 8 : 0,
      crc: crc32(data),
      storedLength: stored.length,
      byteLength: data.length,
      offset,
      extra: Buffer.alloc(0),
    };
    const body = Buffer.concat([header({ ...fields, ...local }), stored]);
    bodies.push(body);
    records.push(record({ ...fields, ...directory }));
    offset += body.length;
  }
  const all = Buffer.concat(records);
  const place = { count: files.length, length: all.length, offset };
  return Buffer.concat([...bodies, all, end({ ...place, comment: Buffer.alloc(0), ...told }, place)]);
}

/** Version, flags, method, time, date, checksum, sizes, lengths of name and extra field. */
function common(fields: Fields): Buffer {
  const { name, flags, method, crc, storedLength, byteLength, extra, extraLength = extra.length } = fields;
  const bytes = Buffer.alloc(26);
  bytes.writeUInt16LE(45, 0);
  bytes.writeUInt16LE(flags, 2);
  bytes.writeUInt16LE(method, 4);
  bytes.writeUInt32LE(crc, 10);
  bytes.writeUInt32LE(storedLength, 14);
  bytes.writeUInt32LE(byteLength, 18);
  bytes.writeUInt16LE(Buffer.byteLength(name), 22);
  bytes.writeUInt16LE(extraLength, 24);
  return bytes;
}

const header = (fields: Fields) =>
  Buffer.concat([Buffer.from('PK\x03\x04'), common(fields), Buffer.from(fields.name), fields.extra]);

function record(fields: Fields): Buffer {
  const rest = Buffer.alloc(14);
  rest.writeUInt32LE(fields.offset, 10);
  const start = Buffer.from('PK\x01\x02\x2d\x00');
  return Buffer.concat([start, common(fields), rest, Buffer.from(fields.name), fields.extra]);
}

type Place = Pick<End, 'count' | 'length' | 'offset'>;

function end({ long, comment, ...told }: Omit<End, 'long'> & Partial<End>, place: Place): Buffer {
  const short = Buffer.alloc(22);
  short.write('PK\x05\x06');
  short.writeUInt16LE(told.count, 8);
  short.writeUInt16LE(told.count, 10);
  short.writeUInt32LE(told.length, 12);
  short.writeUInt32LE(told.offset, 16);
  short.writeUInt16LE(comment.length, 20);
  if (!long) return Buffer.concat([short, comment]);
  const { count, length, offset, at } = { ...place, at: BigInt(place.offset + place.length), ...long };
  const record64 = Buffer.alloc(56);
  record64.write('PK\x06\x06');
  record64.writeBigUInt64LE(44n, 4);
  record64.writeBigUInt64LE(BigInt(count), 24);
  record64.writeBigUInt64LE(BigInt(count), 32);
  record64.writeBigUInt64LE(BigInt(length), 40);
  record64.writeBigUInt64LE(BigInt(offset), 48);
  const locator = Buffer.alloc(20);
  locator.write('PK\x06\x07');
  locator.writeBigUInt64LE(at, 8);
  return Buffer.concat([record64, locator, short, comment]);
}
