import { mkdtemp, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { flushFolder } from '../../checkpoint/file-bytes.js';
import { isRunning } from '../../checkpoint/new-folder.js';
import { exists } from '../../checkpoint/paths.js';
import { InputError } from '../../errors.js';
import { openIndexedDataset } from './open.js';
import { moveParts, openParts, writeIndex, type EncodedDocuments } from './parts.js';
import { toTokenBytes, idLimit, tokenTypeFor, type WrittenTokenType } from './token-types.js';

export interface BuilderOptions {
  /** Ids are below it, and the type follows from it. */
  readonly vocabSize?: number;
  /** As Megatron-LM chooses for `vocabSize` by default. */
  readonly dtype?: WrittenTokenType;
}

/** Writes a data set as Megatron-LM's builder does. Nothing is at its place before it is finished. */
export interface IndexedDatasetBuilder {
  readonly dtype: WrittenTokenType;
  /** To the document that is being written. */
  addSequence(tokens: ArrayLike<number>): Promise<void>;
  endDocument(): Promise<void>;
  /** A whole document. */
  addDocument(sentences: readonly ArrayLike<number>[]): Promise<void>;
  /** All documents of another data set, or some: from one, up to another. */
  addDataset(prefix: string, from?: number, end?: number): Promise<void>;
  /** Ends the document, and puts the data set in its place. */
  finish(): Promise<void>;
  /** Leaves nothing behind. */
  abandon(): Promise<void>;
}

/** Tokens that are copied at once, but for sequences that are longer. */
const copiedTokens = 2 ** 20;

/** @throws InputError where there is a data set of that name */
export async function createIndexedDatasetBuilder(
  prefix: string,
  options: BuilderOptions,
): Promise<IndexedDatasetBuilder> {
  const { vocabSize } = options;
  if (vocabSize === undefined && options.dtype === undefined)
    throw new InputError(`${prefix}: expected vocabSize or dtype, found neither`);
  const dtype = options.dtype ?? tokenTypeFor(vocabSize!);
  const limit = Math.min(idLimit[dtype], vocabSize ?? Infinity);
  await requireFreePrefix(prefix);
  const folder = await makeWorkFolder(prefix);
  const base = path.join(folder, 'data');
  const parts = await openParts(base);
  let isOpen = false;

  const append = async (sequences: readonly ArrayLike<number>[]) => {
    const tokens = sequences.map((ids) => toTokenBytes(ids, dtype, limit));
    await parts.append({
      tokens: tokens.length === 1 ? tokens[0]! : Buffer.concat(tokens),
      lengths: Int32Array.from(sequences, ({ length }) => length),
      documents: Int32Array.of(sequences.length),
      continues: isOpen ? 'document' : undefined,
    });
    isOpen = true;
  };
  const endDocument = async () => {
    if (!isOpen) await append([]);
    isOpen = false;
  };
  return {
    dtype,
    addSequence: (tokens) => append([tokens]),
    endDocument,
    async addDocument(sentences) {
      isOpen = false;
      await append(sentences);
      isOpen = false;
    },
    async addDataset(source, from, end) {
      isOpen = false;
      for await (const documents of documentsOf(source, dtype, limit, from, end))
        await parts.append(documents);
    },
    async finish() {
      await parts.end();
      await parts.checkpoint();
      await parts.close();
      await writeIndex(base, dtype);
      await requireFreePrefix(prefix);
      await moveParts(base, prefix);
      await flushFolder(path.dirname(path.resolve(prefix)));
      await rm(folder, { recursive: true });
    },
    async abandon() {
      await parts.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Documents `from` up to `end` of a data set, several at once. */
async function* documentsOf(
  prefix: string,
  dtype: WrittenTokenType,
  limit: number,
  from = 0,
  end?: number,
): AsyncGenerator<EncodedDocuments> {
  const dataset = await openIndexedDataset(prefix);
  const { documentIndex, documentCount, lengths } = dataset;
  const last = end ?? documentCount;
  try {
    if (!(
      Number.isInteger(from) &&
      Number.isInteger(last) &&
      from >= 0 &&
      from <= last &&
      last <= documentCount
    ))
      throw new InputError(
        `${prefix}: expected documents from 0 up to ${documentCount}, found ${from} up to ${last}`,
      );
    for (let document = from; document < last; document++) {
      const [first, stop] = [documentIndex[document]!, documentIndex[document + 1]!];
      let at = first;
      do {
        let next = at;
        for (let tokens = 0; next < stop && (next === at || tokens + lengths[next]! <= copiedTokens); next++)
          tokens += lengths[next]!;
        const sequences = await dataset.readMany(at, next);
        yield {
          tokens: Buffer.concat(sequences.map((ids) => toTokenBytes(ids, dtype, limit))),
          lengths: lengths.slice(at, next),
          documents: Int32Array.of(next - at),
          continues: at > first ? 'document' : undefined,
        };
        at = next;
      } while (at < stop);
    }
  } finally {
    await dataset.close();
  }
}

/** @throws InputError where a data set would be replaced */
export async function requireFreePrefix(prefix: string): Promise<void> {
  for (const name of [`${prefix}.idx`, `${prefix}.bin`])
    if (await exists(name))
      throw new InputError(`${name} exists; remove that data set, or give another name`);
}

/** Beside the data set; what builders that are no more left there is removed. */
async function makeWorkFolder(prefix: string): Promise<string> {
  const full = path.resolve(prefix);
  const above = path.dirname(full);
  const start = `.${path.basename(full)}.incomplete-`;
  for (const name of await readdir(above).catch(() => [])) {
    const id = Number(name.startsWith(start) ? name.slice(start.length).split('-')[0] : NaN);
    if (Number.isInteger(id) && id !== process.pid && !isRunning(id))
      await rm(path.join(above, name), { recursive: true, force: true });
  }
  return mkdtemp(path.join(above, `${start}${process.pid}-`)).catch((error: unknown) => {
    throw new InputError(`${prefix}: cannot be written: ${(error as Error).message}`, { cause: error });
  });
}
