/** Real checkpoints with a few bytes changed, most of them in what describes the numbers. */
import fc from 'fast-check';
import { openFile, readBytes } from '../../src/checkpoint/byte-source.js';
import { readZipDirectory } from '../../src/checkpoint/zip/directory.js';
import { zip, type ZipFile } from './zip.js';

/** The files of an archive. */
export async function unpacked(archive: string): Promise<ZipFile[]> {
  const source = await openFile(archive);
  const { entries, open } = await readZipDirectory(source);
  const files: ZipFile[] = [];
  for (const [name, entry] of entries) {
    const file = await open(entry);
    files.push({ name, data: await readBytes(file, 0, file.size) });
    await file.close();
  }
  await source.close();
  return files;
}

/** The part of torch's files that is a pickle, at their beginning. */
const described = 0.3;

function mutated(bytes: Buffer): fc.Arbitrary<Buffer> {
  const change = fc.record({
    place: fc.oneof(
      { weight: 4, arbitrary: fc.nat(Math.floor(described * bytes.length)) },
      { weight: 1, arbitrary: fc.nat(bytes.length - 1) },
    ),
    byte: fc.nat(255),
  });
  const changes = fc.array(change, { minLength: 1, maxLength: 6 });
  const length = fc.oneof(
    { weight: 7, arbitrary: fc.constant(bytes.length) },
    { weight: 1, arbitrary: fc.nat(bytes.length) },
  );
  return fc.tuple(changes, length).map(([all, cut]) => {
    const copy = Buffer.from(bytes);
    for (const { place, byte } of all) copy[place] = byte;
    return copy.subarray(0, cut);
  });
}

/** An archive of these files, stored as they are, in which a partition is changed, or the archive around them. */
export function mutatedArchive(files: readonly ZipFile[]): fc.Arbitrary<Buffer> {
  const partitions = files.filter(({ name }) => name.endsWith('.pt'));
  const inFile = fc
    .constantFrom(...partitions)
    .chain((file) =>
      mutated(file.data).map((data) => zip(files.map((each) => (each === file ? { ...file, data } : each)))),
    );
  return fc.oneof({ weight: 7, arbitrary: inFile }, { weight: 1, arbitrary: mutated(zip(files)) });
}
