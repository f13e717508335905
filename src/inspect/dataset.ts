import { exists, isFile } from '../checkpoint/paths.js';
import { openIndexedDataset, prefixOf } from '../data/indexed/open.js';
import type { DatasetIndex } from '../data/indexed/index-contents.js';
import { readVocabulary, type Vocabulary } from '../data/indexed/vocabulary.js';

export interface InspectedDataset {
  readonly prefix: string;
  readonly layout: DatasetIndex['layout'];
  readonly dtype: DatasetIndex['dtype'];
  readonly sequences: number;
  readonly documents: number;
  readonly tokens: number;
  /** Tokens in a sequence. */
  readonly sequence_lengths: Quantiles;
  /** Sequences in a document. */
  readonly document_lengths: Quantiles;
  /** That it was made with, where that was noted. */
  readonly vocabulary?: Vocabulary;
}

/** The least of which so many are not longer. */
export type Quantiles = Readonly<Record<(typeof quantileNames)[number], number>>;

const quantileNames = ['min', '10%', '50%', '90%', '99%', 'max'] as const;
const fractions = [0, 0.1, 0.5, 0.9, 0.99, 1];

/** Of what is a data set: its prefix, or one of its two files. */
export async function datasetPrefix(source: string): Promise<string | undefined> {
  const prefix = prefixOf(source);
  if (prefix !== source) return (await isFile(`${prefix}.idx`)) ? prefix : undefined;
  return !(await exists(source)) && (await isFile(`${source}.idx`)) ? source : undefined;
}

export async function inspectDataset(prefix: string): Promise<InspectedDataset> {
  const dataset = await openIndexedDataset(prefix);
  await dataset.close();
  const { layout, dtype, sequenceCount, documentCount, tokenCount, lengths, documentIndex } = dataset;
  const vocabulary = await readVocabulary(prefix);
  return {
    prefix,
    layout,
    dtype,
    sequences: sequenceCount,
    documents: documentCount,
    tokens: tokenCount,
    sequence_lengths: quantiles(lengths.slice()),
    document_lengths: quantiles(
      Int32Array.from({ length: documentCount }, (_, i) => documentIndex[i + 1]! - documentIndex[i]!),
    ),
    ...(vocabulary && { vocabulary }),
  };
}

function quantiles(numbers: Int32Array): Quantiles {
  numbers.sort();
  const values = fractions.map((fraction) => numbers[Math.floor(fraction * (numbers.length - 1))] ?? 0);
  return Object.fromEntries(quantileNames.map((name, i) => [name, values[i]!])) as Quantiles;
}
