/** The inputs in chunks that are encoded one by one. They depend on nothing but the inputs. */
import { openByteStream } from './byte-stream.js';
import { cutLines, cutText, type FindCut } from './cut.js';
import type { InputFile } from './inputs.js';
import type { DocumentsBy, PreprocessProgress } from './options.js';
import { openParquet } from './parquet.js';
import { requireWholeZstd } from './zstd-frames.js';

/** What a thread is given to encode; plain data. */
export type ChunkData =
  | { readonly format: 'json'; readonly bytes: Uint8Array }
  | {
      readonly format: 'text';
      readonly bytes: Uint8Array;
      /** The first document began in the chunk before. */
      readonly continues: boolean;
      /** The last document goes on in the next chunk. */
      readonly goesOn: boolean;
    }
  | { readonly format: 'parquet'; readonly path: string; readonly rowGroup: number };

/** Where the next chunk begins. */
export interface Place {
  /** Number of the file. */
  readonly file: number;
  /** Bytes, without compression; of parquet row groups. */
  readonly offset: number;
  /** Whether it is inside a document. */
  readonly inDocument: boolean;
}

export const beginning: Place = { file: 0, offset: 0, inDocument: false };

export interface Chunk {
  readonly data: ChunkData;
  readonly file: number;
  readonly next: Place;
  /** Bytes of the file that were read so far. */
  readonly consumed: number;
}

const chunkSize = 2 ** 20;

export async function* readChunks(
  files: readonly InputFile[],
  documentsBy: DocumentsBy,
  from: Place,
): AsyncGenerator<Chunk> {
  for (let file = from.file; file < files.length; file++) {
    const input = files[file]!;
    const start = file === from.file ? from : { ...beginning, file };
    if (input.format === 'parquet') yield* readRowGroups(input, start);
    else yield* readBytes(input, documentsBy, start);
  }
}

/** Tells how far the inputs are read after a chunk. */
export function progressTeller(
  files: readonly InputFile[],
  onProgress?: (progress: PreprocessProgress) => void,
) {
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const before = files.map((_, i) => files.slice(0, i).reduce((sum, { bytes }) => sum + bytes, 0));
  return ({ file, consumed }: Chunk) => onProgress?.({ done: before[file]! + consumed, total });
}

async function* readRowGroups(input: InputFile, { file, offset }: Place): AsyncGenerator<Chunk> {
  const { rowGroups } = await openParquet(input.path);
  for (let rowGroup = offset; rowGroup < rowGroups; rowGroup++)
    yield {
      data: { format: 'parquet', path: input.path, rowGroup },
      file,
      next: { file, offset: rowGroup + 1, inDocument: false },
      consumed: Math.round((input.bytes * (rowGroup + 1)) / rowGroups),
    };
}

async function* readBytes(input: InputFile, documentsBy: DocumentsBy, start: Place): AsyncGenerator<Chunk> {
  const { file } = start;
  if (input.compression === 'zstd') await requireWholeZstd(input.path);
  const { blocks, consumed } = openByteStream(input, start.offset);
  const findCut = input.format === 'json' ? cutLines(input.path) : cutText(documentsBy);
  let { offset } = start;
  let continues = start.inDocument;
  const chunkOf = (bytes: Buffer, inDocument: boolean): Chunk => {
    offset += bytes.length;
    // a copy of its own, which is handed over to a thread
    const own = new Uint8Array(bytes);
    const data: ChunkData =
      input.format === 'json'
        ? { format: 'json', bytes: own }
        : { format: 'text', bytes: own, continues, goesOn: inDocument };
    continues = inDocument;
    return { data, file, next: { file, offset, inDocument }, consumed: consumed() };
  };
  for await (const { bytes, inDocument } of stretches(blocks, findCut, offset))
    yield chunkOf(bytes, inDocument);
}

interface Stretch {
  readonly bytes: Buffer;
  readonly inDocument: boolean;
}

/**
 * All bytes, cut where they may be. Where depends on nothing but the bytes from the last cut on, so that a run that
 * goes on from there makes the same cuts.
 */
async function* stretches(
  blocks: AsyncIterable<Buffer>,
  findCut: FindCut,
  from: number,
): AsyncGenerator<Stretch> {
  let waiting: Buffer[] = [];
  let size = 0;
  let wanted = chunkSize;
  let offset = from;
  for await (const block of blocks) {
    waiting.push(block);
    size += block.length;
    while (size >= wanted) {
      const bytes = Buffer.concat(waiting);
      const cut = findCut(bytes.subarray(0, wanted), offset);
      if (cut) {
        yield { bytes: bytes.subarray(0, cut.at), inDocument: cut.inDocument };
        offset += cut.at;
        size -= cut.at;
        wanted = chunkSize;
      } else wanted *= 2;
      waiting = [bytes.subarray(cut?.at ?? 0)];
    }
  }
  if (size > 0) yield { bytes: Buffer.concat(waiting), inDocument: false };
}
