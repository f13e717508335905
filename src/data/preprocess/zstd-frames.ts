import { openFile, readBytes } from '../../checkpoint/byte-source.js';
import { InputError } from '../../errors.js';

const frameMagic = 0xfd2fb528;
/** Frames of anything, whose last four bits may be any. */
const skippableMagic = 0x184d2a50;

/** Bytes that may lie between a text and the same one before: fzstd's own limit, above which it gives something else. */
const largestWindow = 2 ** 25;

/**
 * Follows the frames of a file of Zstandard to its end. Format: RFC 8878, section 3.1.
 *
 * @throws InputError where it is cut off, is something else, or was compressed with a window that is too large
 */
export async function requireWholeZstd(path: string): Promise<void> {
  const file = await openFile(path);
  const at = async (offset: number, length: number) => {
    if (offset + length > file.size) throw new InputError(`${path}: cannot be read: it is cut off`);
    return (await readBytes(file, offset, length)).readUIntLE(0, length);
  };
  try {
    let offset = 0;
    do {
      const magic = await at(offset, 4);
      offset += 4;
      if ((magic & ~15) >>> 0 === skippableMagic) offset += 4 + (await at(offset, 4));
      else if (magic === frameMagic) offset = await endOfFrame(path, at, offset);
      else throw new InputError(`${path}: cannot be read: expected Zstandard at byte ${offset - 4}`);
    } while (offset < file.size);
    if (offset > file.size) throw new InputError(`${path}: cannot be read: it is cut off`);
  } finally {
    await file.close();
  }
}

async function endOfFrame(
  path: string,
  at: (offset: number, length: number) => Promise<number>,
  start: number,
): Promise<number> {
  const descriptor = await at(start, 1);
  const isSingleSegment = (descriptor >> 5) & 1;
  const contentSize = [isSingleSegment, 2, 4, 8][descriptor >> 6]!;
  const dictionaryId = [0, 1, 2, 4][descriptor & 3]!;
  const content = start + 1 + (1 - isSingleSegment) + dictionaryId;
  // 6 bytes of 8 are as many as there can be
  const window = isSingleSegment
    ? await at(content, Math.min(contentSize, 6))
    : windowOf(await at(start + 1, 1));
  if (window > largestWindow)
    throw new InputError(
      `${path}: cannot be read: expected a window of at most ${largestWindow} bytes, found ${window}; compress it without --long and --ultra`,
    );
  let offset = content + contentSize;
  for (let isLast = false; !isLast;) {
    const block = await at(offset, 3);
    const isRepeated = ((block >> 1) & 3) === 1;
    offset += 3 + (isRepeated ? 1 : block >> 3);
    isLast = (block & 1) === 1;
  }
  return offset + 4 * ((descriptor >> 2) & 1);
}

const windowOf = (descriptor: number) => 2 ** (10 + (descriptor >> 3)) * (1 + (descriptor & 7) / 8);
