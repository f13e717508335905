/** Reads the index of a data set, in whichever of the two layouts it is. */
import { readBytes, type ByteSource } from '../../checkpoint/byte-source.js';
import { InputError, shown } from '../../errors.js';
import { readClassicIndex } from './classic-index.js';
import { readCurrentIndex } from './current-index.js';
import { magics, type DatasetIndex } from './index-contents.js';

/** @throws InputError where anything in it disagrees with its size or with itself */
export async function readIndex(source: ByteSource): Promise<DatasetIndex> {
  const start = await readBytes(source, 0, Math.min(source.size, magics.current.length));
  const begins = (magic: Buffer) => magic.equals(start.subarray(0, magic.length));
  if (begins(magics.current)) return readCurrentIndex(source);
  if (begins(magics.classic)) return readClassicIndex(source);
  throw new InputError(
    `${source.name}: expected the index of a data set (MMIDIDX or TNTIDX), found a file that begins with ${shown(start.toString('latin1'))}`,
  );
}
