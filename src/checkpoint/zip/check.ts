import { crc32 } from 'node:zlib';
import { InputError } from '../../errors.js';
import type { ByteSource } from '../byte-source.js';
import { readZipDirectory } from './directory.js';

const pieceLength = 2 ** 22;

/** Reads every file of an archive. @returns their names @throws InputError where one is not what its checksum says */
export async function checkZip(source: ByteSource): Promise<string[]> {
  const { entries, open } = await readZipDirectory(source);
  const piece = Buffer.alloc(pieceLength);
  for (const entry of entries.values()) {
    const file = await open(entry);
    let checksum = 0;
    for (let at = 0; at < file.size; at += pieceLength) {
      const bytes = piece.subarray(0, Math.min(pieceLength, file.size - at));
      await file.readInto(bytes, at);
      checksum = crc32(bytes, checksum);
    }
    await file.close();
    if (checksum !== entry.crc32)
      throw new InputError(`${file.name}: its checksum is another than the archive says`);
  }
  return [...entries.keys()];
}
