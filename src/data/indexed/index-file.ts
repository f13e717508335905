/** Reads the index of a data set, in whichever of the two layouts it is. */
import { readBytes, type ByteSource } from '../../checkpoint/byte-source.js';
import { InputError, shown } from '../../errors.js';
import { classicLayout, readClassicIndex } from './classic-index.js';
import { currentLayout, readCurrentIndex } from './current-index.js';
import { magics, type DatasetIndex, type IndexLayout } from './index-contents.js';

/** The whole index. @throws InputError where anything in it disagrees with its size or with itself */
export async function readIndex(source: ByteSource): Promise<DatasetIndex> {
  return (await kindOf(source)) === 'current' ? readCurrentIndex(source) : readClassicIndex(source);
}

/** Its header alone. @throws InputError where it disagrees with the file's size */
export async function readLayout(source: ByteSource): Promise<IndexLayout> {
  return (await kindOf(source)) === 'current' ? currentLayout(source) : classicLayout(source);
}

async function kindOf(source: ByteSource): Promise<IndexLayout['layout']> {
  const start = await readBytes(source, 0, Math.min(source.size, magics.current.length));
  const begins = (magic: Buffer) => magic.equals(start.subarray(0, magic.length));
  if (begins(magics.current)) return 'current';
  if (begins(magics.classic)) return 'classic';
  throw new InputError(
    `${source.name}: expected the index of a data set (MMIDIDX or TNTIDX), found a file that begins with ${shown(start.toString('latin1'))}`,
  );
}
