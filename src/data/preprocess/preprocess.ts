import { createHash } from 'node:crypto';
import path from 'node:path';
import { flushFolder } from '../../checkpoint/file-bytes.js';
import { InputError } from '../../errors.js';
import { readAnyTokenizer } from '../../text/tokenizer-files.js';
import { tokenizerFiles, type AnyTokenizer } from '../../text/tokenizer-json.js';
import { requireFreePrefix } from '../indexed/builder.js';
import { openIndexedDataset } from '../indexed/open.js';
import { moveParts, openParts, writeIndex, type Parts } from '../indexed/parts.js';
import type { WrittenTokenType } from '../indexed/token-types.js';
import { vocabularyOf, writeVocabulary } from '../indexed/vocabulary.js';
import { beginning, progressTeller, readChunks, type Chunk } from './chunks.js';
import type { EncodeResult, EncodeThreadData } from './encode-thread.js';
import { listInputs, requireOneKeyOfText, type InputFile } from './inputs.js';
import { openJournal, partsBase, type Journal } from './journal.js';
import { resolveEncoding, resolveWorkers, type EncodingOptions, type PreprocessOptions } from './options.js';
import { problemIn } from './records.js';
import { mapInOrder, startThreads, type Threads } from './threads.js';

/** A data set that was made. */
export interface PreprocessedDataset {
  readonly key: string;
  readonly prefix: string;
  readonly dtype: WrittenTokenType;
  readonly sequences: number;
  readonly documents: number;
  readonly tokens: number;
}

export interface PreprocessSummary {
  readonly datasets: readonly PreprocessedDataset[];
  /** Of the inputs. */
  readonly bytes: number;
  readonly seconds: number;
  /** Whether it went on with what an interrupted run had done. */
  readonly resumed: boolean;
}

/** Milliseconds between two moments to which an interrupted run goes back. */
const momentInterval = 1000;

/**
 * Makes Megatron-LM's data sets of texts. A run that was interrupted goes on where it was when it is started again with
 * the same options; the result is the same.
 *
 * @throws InputError naming the file, the line and what is wrong there; what was done until then is kept
 */
export async function preprocess(options: PreprocessOptions): Promise<PreprocessSummary> {
  const started = performance.now();
  const tokenizer = await readAnyTokenizer(options.tokenizer);
  const encoding = resolveEncoding(options, tokenizer);
  const workers = resolveWorkers(options.workers);
  const files = await listInputs(options.input);
  requireOneKeyOfText(files, encoding.keys);
  const level = encoding.sentences === null ? 'document' : 'sentence';
  const targets = encoding.keys.map((key) => ({ key, prefix: `${options.outputPrefix}_${key}_${level}` }));

  const journal = await openJournal(options.outputPrefix, {
    inputs: files.map(({ path: name, bytes, modified }) => ({ path: path.resolve(name), bytes, modified })),
    tokenizer: tokenizerChecksum(tokenizer),
    encoding,
  });
  const resumed = journal.moment !== undefined || journal.stage !== 'encoding';
  try {
    if (journal.stage !== 'moving') for (const { prefix } of targets) await requireFreePrefix(prefix);
    if (journal.stage === 'encoding') await encodeInputs(files, options, encoding, workers, journal);
    if (journal.stage !== 'moving') {
      for (const key of targets.keys()) await writeIndex(partsBase(journal.folder, key), encoding.dtype);
      await journal.add({ stage: 'moving' });
    }
    for (const [key, { prefix }] of targets.entries()) {
      await writeVocabulary(prefix, vocabularyOf(tokenizer.vocab));
      await moveParts(partsBase(journal.folder, key), prefix);
    }
    await flushFolder(path.dirname(path.resolve(options.outputPrefix)));
  } catch (error) {
    await journal.leave();
    throw error;
  }
  await journal.remove();
  const datasets: PreprocessedDataset[] = [];
  for (const { key, prefix } of targets) datasets.push({ key, prefix, ...(await countsOf(prefix)) });
  return {
    datasets,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    seconds: (performance.now() - started) / 1000,
    resumed,
  };
}

/** Reads all that is left of the inputs, and adds it to the parts of the data sets. */
async function encodeInputs(
  files: readonly InputFile[],
  options: PreprocessOptions,
  encoding: EncodingOptions,
  workers: number,
  journal: Journal,
): Promise<void> {
  const { folder, moment } = journal;
  const parts: Parts[] = [];
  let threads: Threads<Chunk['data'], EncodeResult> | undefined;
  try {
    for (const key of encoding.keys.keys())
      parts.push(await openParts(partsBase(folder, key), moment?.parts[key]));
    const started = await startThreads<Chunk['data'], EncodeResult>(
      new URL('./encode-thread.js', import.meta.url),
      workers,
      { tokenizer: options.tokenizer, encoding } satisfies EncodeThreadData,
    );
    threads = started;
    const chunks = readChunks(files, encoding.documentsBy, moment?.next ?? beginning);
    // one is encoded, one waits
    const encoded = mapInOrder(chunks, 2 * workers, ({ data }) => started.run(data, memoryOf(data)));
    const tell = progressTeller(files, options.onProgress);
    const note = momentWriter(journal, parts);
    let { file, line } = { file: moment?.next.file ?? 0, line: moment?.line ?? 0 };
    for await (const [chunk, result] of encoded) {
      if (chunk.file !== file) [file, line] = [chunk.file, 0];
      if ('problem' in result) {
        await note.now();
        throw problemIn(files[file]!, line, { message: result.problem, line: result.line });
      }
      for (const [key, documents] of result.documents.entries()) await parts[key]!.append(documents);
      line += result.lines;
      await note.done(chunk.next, line);
      tell(chunk);
    }
    for (const one of parts) {
      await one.end();
      const { segments } = await one.checkpoint();
      if (segments.bin.size === 0)
        throw new InputError(`${options.input.join(', ')}: expected text, found none that makes tokens`);
    }
    await journal.add({ stage: 'encoded' });
  } finally {
    await threads?.close();
    await Promise.all(parts.map((one) => one.close()));
  }
}

const memoryOf = (data: Chunk['data']) => ('bytes' in data ? [data.bytes.buffer as ArrayBuffer] : []);

/** Puts into the journal how far the run is, once in a while. */
function momentWriter(journal: Journal, parts: readonly Parts[]) {
  let last = performance.now();
  let reached: { readonly next: Chunk['next']; readonly line: number } | undefined;
  const now = async () => {
    if (!reached) return;
    const checkpoints = [];
    for (const one of parts) checkpoints.push(await one.checkpoint());
    await journal.add({ moment: { ...reached, parts: checkpoints } });
    reached = undefined;
    last = performance.now();
  };
  return {
    now,
    async done(next: Chunk['next'], line: number) {
      reached = { next, line };
      if (performance.now() - last >= momentInterval) await now();
    },
  };
}

/** The same for tokenizers that make the same tokens. */
export const tokenizerChecksum = (tokenizer: AnyTokenizer): string =>
  createHash('sha256')
    .update(JSON.stringify([...tokenizerFiles(tokenizer, 0)]))
    .digest('hex');

async function countsOf(prefix: string) {
  const dataset = await openIndexedDataset(prefix);
  await dataset.close();
  const { sequenceCount: sequences, documentCount: documents, tokenCount: tokens } = dataset;
  return { dtype: dataset.dtype as WrittenTokenType, sequences, documents, tokens };
}
