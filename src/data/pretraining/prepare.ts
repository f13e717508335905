/** Makes the indices of samples, which every rank then reads. */
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { exists } from '../../checkpoint/paths.js';
import { InputError } from '../../errors.js';
import { documentsIn, type SequenceRange, type Sequences } from '../indexed/sequences.js';
import { bertMapping, isMapped, longestSentence, type BertMappingOptions } from './bert-mapping.js';
import { blend, samplesOfShare } from './blend.js';
import { gptIndex } from './gpt-index.js';
import { mersenneTwister64 } from './mersenne-twister.js';
import { writeTable } from './table.js';

/** The samples of a part of one data set; plain data. */
export interface PreparedDataset {
  readonly prefix: string;
  /** Files: what each sample is made of, and in which order samples come. Of running text also the documents' order. */
  readonly tables: { readonly samples: string; readonly order: string; readonly documents?: string };
}

/** The samples of a run, in their order; plain data. */
export interface PreparedSamples {
  readonly datasets: readonly PreparedDataset[];
  /** File: of which data set each sample is, and which of its samples. Missing for a single data set. */
  readonly blend?: string;
}

/** A part of a data set, and how much of a blend it makes up. */
export interface DatasetPart {
  readonly sequences: Sequences;
  /** SHA-256 of its index. */
  readonly index: string;
  readonly range: SequenceRange;
  /** The sum of all is 1. */
  readonly weight: number;
}

export type SampleKind =
  | ({ readonly kind: 'bert' } & BertMappingOptions)
  | { readonly kind: 'gpt'; readonly sequenceLength: number; readonly seed: number };

export interface PrepareOptions {
  readonly kind: SampleKind;
  /** Samples that are needed. */
  readonly count: number;
  /** Where the indices are kept; they are found there again. */
  readonly folder: string;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** @param parts of data sets that are consistent @throws InputError where one has no sample */
export async function prepareSamples(
  parts: readonly DatasetPart[],
  options: PrepareOptions,
): Promise<PreparedSamples> {
  const { count, folder } = options;
  await mkdir(folder, { recursive: true });
  const datasets: PreparedDataset[] = [];
  for (const part of parts)
    datasets.push(
      await prepareDataset(part, {
        ...options,
        count: parts.length === 1 ? count : samplesOfShare(part.weight, count),
      }),
    );
  if (parts.length === 1) return { datasets };
  const weights = parts.map(({ weight }) => weight);
  const file = path.join(folder, `${hashOf({ blend: weights, count })}-blend.npy`);
  if (!(await exists(file)))
    await writeTable(file, 2, (add) => {
      blend(weights, count, add);
    });
  return { datasets, blend: file };
}

async function prepareDataset(part: DatasetPart, options: PrepareOptions): Promise<PreparedDataset> {
  const { sequences, index, range } = part;
  const { kind, count, folder } = options;
  const hash = hashOf({ index, tokens: sequences.tokenCount, range, kind, count });
  const file = (name: string) => path.join(folder, `${hash}-${name}.npy`);
  const tables = {
    samples: file('samples'),
    order: file('order'),
    ...(kind.kind === 'gpt' && { documents: file('documents') }),
  };
  const isThere = await Promise.all(Object.values(tables).map(exists));
  if (!isThere.every(Boolean)) {
    if (kind.kind === 'bert') await prepareBert(part, kind, tables, options);
    else await prepareGpt(part, kind, { ...tables, documents: file('documents') }, count);
  }
  return { prefix: sequences.prefix, tables };
}

/** Rows: first sentence, end, tokens to cut to. */
async function prepareBert(
  { sequences, range }: DatasetPart,
  kind: BertMappingOptions,
  tables: PreparedDataset['tables'],
  { count, onWarning }: PrepareOptions,
): Promise<void> {
  requireSamples(sequences, range);
  const map = bertMapping(kind);
  let rows = 0;
  await writeTable(tables.samples, 3, (add) => {
    while (rows < count)
      for (const document of documentsIn(sequences, range))
        map(document, (first, end, target) => {
          add(first, end, target);
          rows++;
        });
  });
  const { total, long } = countDocuments(sequences, range);
  if (long > 0)
    onWarning?.(
      `${sequences.prefix}: ${long} of ${total} documents are left out, for they have a sentence of more than ${longestSentence} tokens; preprocess --longest-sequence ${longestSentence} cuts it`,
    );
  await writeTable(tables.order, 1, (add) => {
    for (const row of shuffledRows(rows, kind.seed)) add(row);
  });
}

/** Fisher and Yates' order, as `build_mapping` shuffles. */
function shuffledRows(count: number, seed: number): Uint32Array {
  const draw = mersenneTwister64(seed + 1);
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = draw(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** Whether a part makes a sample. */
export function hasSamples(sequences: Sequences, range: SequenceRange, kind: SampleKind['kind']): boolean {
  if (kind === 'gpt') return sequences.place(range.end) - sequences.place(range.first) > 1;
  for (const { lengths } of documentsIn(sequences, range)) if (isMapped(lengths)) return true;
  return false;
}

function countDocuments(sequences: Sequences, range: SequenceRange) {
  let [total, single, long] = [0, 0, 0];
  for (const { lengths } of documentsIn(sequences, range)) {
    total++;
    if (lengths.length < 2) single++;
    else if (!isMapped(lengths)) long++;
  }
  return { total, single, long };
}

/** @throws InputError where no document makes a sample of sentences */
export function requireSamples(sequences: Sequences, range: SequenceRange): void {
  if (hasSamples(sequences, range, 'bert')) return;
  const { total, single, long } = countDocuments(sequences, range);
  throw new InputError(
    `${sequences.prefix}: expected documents of two or more sentences, none longer than ${longestSentence} tokens; of ${total} documents ${single} have one sentence and ${long} a longer one`,
  );
}

async function prepareGpt(
  { sequences, range }: DatasetPart,
  { sequenceLength, seed }: { readonly sequenceLength: number; readonly seed: number },
  tables: Required<PreparedDataset['tables']>,
  count: number,
): Promise<void> {
  const lengths = sequences.lengths(range.first, range.end);
  if (!lengths.some((length) => length > 0))
    throw new InputError(`${sequences.prefix}: expected tokens, found none in ${lengths.length} sequences`);
  const index = gptIndex(lengths, sequenceLength, count, seed);
  await writeTable(tables.documents, 1, (add) => {
    for (const document of index.documents) add(range.first + document);
  });
  await writeTable(tables.samples, 2, (add) => {
    for (let i = 0; i < index.samples.length; i += 2) add(index.samples[i]!, index.samples[i + 1]!);
  });
  await writeTable(tables.order, 1, (add) => {
    for (const sample of index.order) add(sample);
  });
}

const hashOf = (description: object) =>
  createHash('sha256').update(JSON.stringify(description)).digest('hex').slice(0, 32);
