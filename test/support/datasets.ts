import { checksumOf } from '../../src/checkpoint/file-bytes.js';
import { createIndexedDatasetBuilder } from '../../src/data/indexed/builder.js';
import { openSequences, type SequenceRange } from '../../src/data/indexed/sequences.js';
import type { WrittenTokenType } from '../../src/data/indexed/token-types.js';
import {
  prepareSamples,
  type DatasetPart,
  type PreparedSamples,
  type PrepareOptions,
} from '../../src/data/pretraining/prepare.js';

/** Sentences of token ids of each document. */
export type Documents = readonly (readonly (readonly number[])[])[];

/** @returns the prefix */
export async function writeDataset(
  prefix: string,
  documents: Documents,
  dtype: WrittenTokenType = 'uint16',
): Promise<string> {
  const builder = await createIndexedDatasetBuilder(prefix, { dtype });
  for (const document of documents) await builder.addDocument(document);
  await builder.finish();
  return prefix;
}

/** All of a data set by default. Its sequences are to be closed. */
export async function partOf(prefix: string, fields: Partial<DatasetPart> = {}): Promise<DatasetPart> {
  const sequences = await openSequences(prefix);
  const { sha256: index } = await checksumOf(`${prefix}.idx`);
  return { sequences, index, range: { first: 0, end: sequences.count }, weight: 1, ...fields };
}

/** Of one data set; of all its sequences by default. */
export async function prepareOne(
  prefix: string,
  options: PrepareOptions,
  range?: SequenceRange,
): Promise<PreparedSamples> {
  const part = await partOf(prefix, range && { range });
  try {
    return await prepareSamples([part], options);
  } finally {
    part.sequences.close();
  }
}
