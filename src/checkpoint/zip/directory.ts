/**
 * Where the files of a zip archive lie, for reading them in place. Nothing that the archive says is believed before
 * it is compared with its size. Source: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3.
 */
import { InputError } from '../../errors.js';
import { partOf, readBytes, type ByteSource } from '../byte-source.js';
import { inflated } from './inflated.js';

/** A file in an archive. */
export interface ZipEntry {
  readonly name: string;
  /** Whether its bytes stand in the archive as they are. */
  readonly isStored: boolean;
  readonly method: number;
  /** In the archive. */
  readonly storedLength: number;
  readonly byteLength: number;
  readonly crc32: number;
  readonly headerOffset: number;
}

export interface ZipDirectory {
  readonly entries: ReadonlyMap<string, ZipEntry>;
  /** Where a file's bytes start. @throws InputError where they do not lie in the archive */
  readonly offsetOf: (entry: ZipEntry) => Promise<number>;
  /** A file's bytes, inflated as they are read. @throws InputError for other methods */
  readonly open: (entry: ZipEntry) => Promise<ByteSource>;
}

const signatures = {
  end: 0x06054b50,
  locator: 0x07064b50,
  end64: 0x06064b50,
  entry: 0x02014b50,
  local: 0x04034b50,
};
const endLength = 22;
const longestComment = 2 ** 16;
const locatorLength = 20;
const end64Length = 56;
const entryLength = 46;
const localLength = 30;
/** Some hundred bytes an entry. */
const largestDirectory = 16 * 2 ** 20;
/** Stands for a number that is in the extra field, in 64 bits. */
const inExtraField = 0xffffffff;
const isEncrypted = 1;
const methods = { stored: 0, deflated: 8 };

/** @throws InputError for what is no archive */
export async function readZipDirectory(source: ByteSource): Promise<ZipDirectory> {
  const fail = (problem: string): never => {
    throw new InputError(`${source.name}: not a zip archive that can be read: ${problem}`);
  };
  const read = async (offset: number, length: number): Promise<DataView> => {
    if (!(offset >= 0 && length >= 0 && offset + length <= source.size))
      fail(`${length} bytes at ${offset} are not in its ${source.size} bytes`);
    const { buffer, byteOffset } = await readBytes(source, offset, length);
    return new DataView(buffer, byteOffset, length);
  };

  const { offset, length } = await findDirectory(source.size, read, fail);
  if (length > largestDirectory) fail(`its directory has ${length} bytes`);
  const directory = await read(offset, length);
  const entries = new Map<string, ZipEntry>();
  for (let at = 0; at < length;) {
    const { entry, next } = parseEntry(directory, at, fail);
    if (entries.has(entry.name)) fail(`two files of the name ${JSON.stringify(entry.name)}`);
    entries.set(entry.name, entry);
    at = next;
  }
  requireApart([...entries.values()], offset, fail);
  const offsetOf = async ({ name, headerOffset, storedLength }: ZipEntry) => {
    const header = await read(headerOffset, localLength);
    if (header.getUint32(0, true) !== signatures.local) fail(`${name} is not where it should be`);
    const start = headerOffset + localLength + header.getUint16(26, true) + header.getUint16(28, true);
    if (start + storedLength > offset) fail(`${name} ends after the archive`);
    return start;
  };
  return {
    entries,
    offsetOf,
    async open(entry) {
      const { name, method, storedLength } = entry;
      const label = `${source.name}: ${name}`;
      if (method !== methods.stored && method !== methods.deflated)
        throw new InputError(`${label}: expected it stored or deflated, found compression method ${method}`);
      const bytes = partOf(source, await offsetOf(entry), storedLength, label);
      return entry.isStored ? bytes : inflated(bytes, entry);
    },
  };
}

type Read = (offset: number, length: number) => Promise<DataView>;
type Fail = (problem: string) => never;

/** By the record at the end, which may be followed by a comment, and the larger one for 64 bits before it. */
async function findDirectory(
  size: number,
  read: Read,
  fail: Fail,
): Promise<{ offset: number; length: number }> {
  const start = Math.max(0, size - endLength - longestComment);
  const tail = await read(start, size - start);
  let at = tail.byteLength - endLength;
  while (at >= 0 && tail.getUint32(at, true) !== signatures.end) at--;
  if (at < 0) return fail('it has no directory');
  const locatorAt = start + at - locatorLength;
  if (locatorAt >= 0) {
    const locator = await read(locatorAt, locatorLength);
    if (locator.getUint32(0, true) === signatures.locator) {
      const end64 = await read(toNumber(locator.getBigUint64(8, true)), end64Length);
      if (end64.getUint32(0, true) !== signatures.end64) fail('its directory is not where it should be');
      return {
        length: toNumber(end64.getBigUint64(40, true)),
        offset: toNumber(end64.getBigUint64(48, true)),
      };
    }
  }
  return { length: tail.getUint32(at + 12, true), offset: tail.getUint32(at + 16, true) };
}

/** Beyond all files where it is beyond what numbers can tell apart. */
const toNumber = (value: bigint) => (value > BigInt(Number.MAX_SAFE_INTEGER) ? Infinity : Number(value));

function parseEntry(directory: DataView, at: number, fail: Fail): { entry: ZipEntry; next: number } {
  const isThere = (end: number) => end <= directory.byteLength;
  if (!isThere(at + entryLength) || directory.getUint32(at, true) !== signatures.entry)
    return fail('its directory is damaged');
  const nameLength = directory.getUint16(at + 28, true);
  const extraLength = directory.getUint16(at + 30, true);
  const nameAt = at + entryLength;
  const next = nameAt + nameLength + extraLength + directory.getUint16(at + 32, true);
  if (!isThere(next)) return fail('its directory is damaged');
  const name = new TextDecoder().decode(
    new Uint8Array(directory.buffer, directory.byteOffset + nameAt, nameLength),
  );
  if (directory.getUint16(at + 8, true) & isEncrypted) fail(`${name} is encrypted`);
  const long = longNumbers(directory, nameAt + nameLength, extraLength);
  // in this order where they are in the extra field
  const [byteLength, storedLength, headerOffset] = [24, 20, 42].map((field) => {
    const value = directory.getUint32(at + field, true);
    return value === inExtraField ? (long.shift() ?? fail(`the size of ${name} is missing`)) : value;
  }) as [number, number, number];
  const method = directory.getUint16(at + 10, true);
  const isStored = method === methods.stored && byteLength === storedLength;
  const crc32 = directory.getUint32(at + 16, true);
  return { entry: { name, isStored, method, storedLength, byteLength, crc32, headerOffset }, next };
}

/** The numbers of the extra field 1. */
function longNumbers(directory: DataView, start: number, length: number): number[] {
  for (let at = start; at + 4 <= start + length;) {
    const size = directory.getUint16(at + 2, true);
    if (directory.getUint16(at, true) === 1 && at + 4 + size <= start + length)
      return Array.from({ length: Math.floor(size / 8) }, (_, i) =>
        toNumber(directory.getBigUint64(at + 4 + 8 * i, true)),
      );
    at += 4 + size;
  }
  return [];
}

/** Files that share bytes are how small archives pretend to be large ones. */
function requireApart(entries: readonly ZipEntry[], directoryOffset: number, fail: Fail): void {
  const sorted = [...entries].sort((a, b) => a.headerOffset - b.headerOffset);
  for (const [i, { name, headerOffset, storedLength }] of sorted.entries())
    if (!(headerOffset + localLength + storedLength <= (sorted[i + 1]?.headerOffset ?? directoryOffset)))
      fail(`${name} overlaps what follows it`);
}
