import { InputError } from '../../errors.js';
import { beginning, progressTeller, readChunks } from './chunks.js';
import { listInputs, requireOneKeyOfText } from './inputs.js';
import type { PreprocessOptions } from './options.js';
import { ChunkProblem, problemIn, readRecords, type ChunkRecords } from './records.js';

/**
 * The texts of all inputs one after another; a text file comes in parts, which end where a paragraph does if
 * they can, and have the words of the whole.
 *
 * @throws InputError naming the file, the line and what is wrong there
 */
export async function* readTexts({
  input,
  jsonKeys = ['text'],
  onProgress,
}: Pick<PreprocessOptions, 'input' | 'jsonKeys' | 'onProgress'>): AsyncGenerator<string> {
  const files = await listInputs(input);
  requireOneKeyOfText(files, jsonKeys);
  const tell = progressTeller(files, onProgress);
  let hasText = false;
  let [file, line] = [0, 0];
  for await (const chunk of readChunks(files, 'file', beginning)) {
    if (chunk.file !== file) [file, line] = [chunk.file, 0];
    const { records, lines }: ChunkRecords = await readRecords(chunk.data, jsonKeys, 'file').catch(
      (error: unknown) => {
        throw error instanceof ChunkProblem ? problemIn(files[file]!, line, error) : error;
      },
    );
    line += lines;
    for (const text of records.flatMap((record) => Object.values(record).flat())) {
      if (text.trim() === '') continue;
      hasText = true;
      yield text;
    }
    tell(chunk);
  }
  if (!hasText) throw new InputError(`${input.join(', ')}: expected text, found none`);
}
