import { InputError } from '../../errors.js';

/** Bytes of the longest line that is read. */
const longestLine = 2 ** 26;

const newline = 0x0a;

/**
 * The lines of a stream of bytes; for one that is not UTF-8, what is wrong with it.
 *
 * @throws InputError where a line is too long to be one
 */
export async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string | InputError> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let pieces: Uint8Array[] = [];
  let length = 0;
  let number = 0;
  const take = (last: Uint8Array): string | InputError => {
    number++;
    const bytes = Buffer.concat([...pieces, last]);
    pieces = [];
    length = 0;
    try {
      return decoder.decode(bytes).replace(/\r$/, '');
    } catch {
      return new InputError('not UTF-8');
    }
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      yield take(chunk.subarray(start, end));
      start = end + 1;
    }
    // a copy: the stream may use its memory again
    if (start < chunk.length) pieces.push(chunk.slice(start));
    length += chunk.length - start;
    if (length > longestLine)
      throw new InputError(`line ${number + 1} is longer than ${longestLine} bytes: is this a text file?`);
  }
  if (length > 0) yield take(new Uint8Array());
}
