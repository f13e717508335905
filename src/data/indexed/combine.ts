import { InputError } from '../../errors.js';
import { createIndexedDatasetBuilder } from './builder.js';
import { openIndexedDataset } from './open.js';
import type { WrittenTokenType } from './token-types.js';
import { readVocabulary, writeVocabulary, type Vocabulary } from './vocabulary.js';

/**
 * Writes the documents of several data sets, one after another, as one. That is also how a data set is appended to.
 *
 * @throws InputError where they differ in their type or their vocabulary
 */
export async function mergeDatasets(prefixes: readonly string[], target: string): Promise<void> {
  if (prefixes.length === 0) throw new InputError(`${target}: expected data sets to merge, found none`);
  const [first] = prefixes as readonly [string, ...string[]];
  const [dtype, vocabulary] = [await writtenType(first), await readVocabulary(first)];
  for (const prefix of prefixes.slice(1)) {
    const [otherType, other] = [await writtenType(prefix), await readVocabulary(prefix)];
    if (otherType !== dtype)
      throw new InputError(`${prefix}: expected tokens of ${dtype} as in ${first}, found ${otherType}`);
    if (vocabulary && other && vocabulary.sha256 !== other.sha256)
      throw new InputError(`${prefix}: expected the vocabulary that ${first} was made with, found another`);
  }
  const notes = await Promise.all(prefixes.map(readVocabulary));
  await build(
    target,
    dtype,
    notes.every(Boolean) ? vocabulary : undefined,
    prefixes.map((prefix) => ({ prefix })),
  );
}

/** Documents of a data set, from one up to another. */
export interface DatasetPart {
  readonly target: string;
  readonly from: number;
  readonly end: number;
}

/** Writes parts of a data set as data sets. */
export async function splitDataset(prefix: string, parts: readonly DatasetPart[]): Promise<void> {
  const [dtype, vocabulary] = [await writtenType(prefix), await readVocabulary(prefix)];
  for (const { target, from, end } of parts) await build(target, dtype, vocabulary, [{ prefix, from, end }]);
}

interface Source {
  readonly prefix: string;
  readonly from?: number;
  readonly end?: number;
}

async function build(
  target: string,
  dtype: WrittenTokenType,
  vocabulary: Vocabulary | undefined,
  sources: readonly Source[],
): Promise<void> {
  const builder = await createIndexedDatasetBuilder(target, { dtype });
  try {
    for (const { prefix, from, end } of sources) await builder.addDataset(prefix, from, end);
    await builder.finish();
    if (vocabulary) await writeVocabulary(target, vocabulary);
  } catch (error) {
    await builder.abandon();
    throw error;
  }
}

/** The type that a data set's tokens are written in again. */
async function writtenType(prefix: string): Promise<WrittenTokenType> {
  const dataset = await openIndexedDataset(prefix);
  await dataset.close();
  return dataset.dtype === 'uint16' ? 'uint16' : 'int32';
}
