/**
 * Where the files of a zip archive lie, for reading them in place. Nothing that the archive says is believed before
 * it is compared with its size. Source: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3.
 */
import { InputError } from '../../errors.js';
import { partOf, readBytes, type ByteSource } from '../byte-source.js';
import { inflated, isBomb, mostAhead } from './inflated.js';

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
  /** Where the next file starts, or the directory. */
  readonly limit: number;
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
const largestDirectory = 4 * 2 ** 20;
/** Stand for a number that is elsewhere, in 64 bits. */
const largest16 = 0xffff;
const largest32 = 0xffffffff;
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

  const { offset, length, count } = await findDirectory(source.size, read, fail);
  if (length > largestDirectory) fail(`its directory has ${length} bytes`);
  const directory = await read(offset, length);
  const parsed: ParsedEntry[] = [];
  for (let at = 0; at < length;) {
    const { entry, next } = parseEntry(directory, at, fail);
    parsed.push(entry);
    at = next;
  }
  if (parsed.length !== count) fail(`its directory has ${parsed.length} files, and says ${count}`);
  if (new Set(parsed.map(({ name }) => name)).size < count) fail('two files of one name');
  const total = parsed.reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (isBomb(total, source.size)) fail(`${source.size} bytes say that they hold ${total}`);
  const entries = new Map(limited(parsed, offset, fail).map((entry) => [entry.name, entry]));
  const packed = parsed.filter(({ isStored }) => !isStored).length;

  const offsetOf = async ({ name, headerOffset, storedLength, limit }: ZipEntry) => {
    const nameLength = Buffer.byteLength(name);
    const header = await read(headerOffset, localLength + nameLength);
    const isThere =
      header.getUint32(0, true) === signatures.local &&
      header.getUint16(26, true) === nameLength &&
      textIn(header, localLength, nameLength) === name;
    if (!isThere) fail(`${name} is not where it should be`);
    const start = headerOffset + localLength + nameLength + header.getUint16(28, true);
    if (start + storedLength > limit) fail(`${name} overlaps what follows it`);
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
      return entry.isStored ? bytes : inflated(bytes, entry, Math.floor(mostAhead / packed));
    },
  };
}

type Read = (offset: number, length: number) => Promise<DataView>;
type Fail = (problem: string) => never;

interface Place {
  readonly offset: number;
  readonly length: number;
  /** Of its files. */
  readonly count: number;
}

/**
 * By the record at the end, which may be followed by a comment, and the larger one for 64 bits before it. Where two
 * readers could find two directories, there is none.
 */
async function findDirectory(size: number, read: Read, fail: Fail): Promise<Place> {
  const start = Math.max(0, size - endLength - longestComment);
  const tail = await read(start, size - start);
  const found: number[] = [];
  for (let at = 0; at + endLength <= tail.byteLength; at++)
    if (
      tail.getUint32(at, true) === signatures.end &&
      at + endLength + commentLength(tail, at) === tail.byteLength
    )
      found.push(at);
  const [at, another] = found;
  if (at === undefined) return fail('it has no directory');
  if (another !== undefined) fail('it has two directories');
  const short: Place = {
    count: tail.getUint16(at + 10, true),
    length: tail.getUint32(at + 12, true),
    offset: tail.getUint32(at + 16, true),
  };
  const { end, ...place } = (await findLong(start + at, short, read, fail)) ?? { ...short, end: start + at };
  if (place.offset + place.length !== end) fail('its directory is not where it should be');
  return place;
}

const commentLength = (tail: DataView, at: number) => tail.getUint16(at + 20, true);

/** The record for 64 bits, if there is one: `end` is where it starts. */
async function findLong(
  endAt: number,
  short: Place,
  read: Read,
  fail: Fail,
): Promise<(Place & { readonly end: number }) | undefined> {
  if (endAt < locatorLength) return undefined;
  const locator = await read(endAt - locatorLength, locatorLength);
  if (locator.getUint32(0, true) !== signatures.locator) return undefined;
  const end = toNumber(locator.getBigUint64(8, true));
  const record = await read(end, end64Length);
  if (record.getUint32(0, true) !== signatures.end64) fail('its directory is not where it should be');
  const [count, length, offset] = [32, 40, 48].map((field) => toNumber(record.getBigUint64(field, true))) as [
    number,
    number,
    number,
  ];
  const agrees =
    [count, largest16].includes(short.count) &&
    [length, largest32].includes(short.length) &&
    [offset, largest32].includes(short.offset);
  if (!agrees) fail('it has two directories');
  return { count, length, offset, end };
}

/** Beyond all files where it is beyond what numbers can tell apart. */
const toNumber = (value: bigint) => (value > BigInt(Number.MAX_SAFE_INTEGER) ? Infinity : Number(value));

const textIn = ({ buffer, byteOffset }: DataView, at: number, length: number) =>
  Buffer.from(buffer, byteOffset + at, length).toString();

type ParsedEntry = Omit<ZipEntry, 'limit'>;

function parseEntry(directory: DataView, at: number, fail: Fail): { entry: ParsedEntry; next: number } {
  const isThere = (end: number) => end <= directory.byteLength;
  if (!isThere(at + entryLength) || directory.getUint32(at, true) !== signatures.entry)
    return fail('its directory is damaged');
  const nameLength = directory.getUint16(at + 28, true);
  const extraLength = directory.getUint16(at + 30, true);
  const nameAt = at + entryLength;
  const next = nameAt + nameLength + extraLength + directory.getUint16(at + 32, true);
  if (!isThere(next)) return fail('its directory is damaged');
  const name = textIn(directory, nameAt, nameLength);
  if (directory.getUint16(at + 8, true) & isEncrypted) fail(`${name} is encrypted`);
  const long = longNumbers(directory, nameAt + nameLength, extraLength);
  // in this order where they are in the extra field
  const [byteLength, storedLength, headerOffset] = [24, 20, 42].map((field) => {
    const value = directory.getUint32(at + field, true);
    return value === largest32 ? (long.shift() ?? fail(`the size of ${name} is missing`)) : value;
  }) as [number, number, number];
  const method = directory.getUint16(at + 10, true);
  const isStored = method === methods.stored;
  if (isStored && byteLength !== storedLength) fail(`${name} is stored as it is, and says two sizes`);
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
function limited(entries: readonly ParsedEntry[], directoryOffset: number, fail: Fail): ZipEntry[] {
  const sorted = [...entries].sort((a, b) => a.headerOffset - b.headerOffset);
  return sorted.map((entry, i) => {
    const limit = sorted[i + 1]?.headerOffset ?? directoryOffset;
    if (!(entry.headerOffset + localLength + entry.storedLength <= limit))
      fail(`${entry.name} overlaps what follows it`);
    return { ...entry, limit };
  });
}
