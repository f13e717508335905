/** What a run is given to read, and which parts of it are for what. */
import { existsSync } from 'node:fs';
import { checksumOf } from '../../checkpoint/file-bytes.js';
import { InputError, shown } from '../../errors.js';
import { prefixOf } from '../indexed/open.js';
import {
  openSequences,
  requireConsistent,
  type SequenceRange,
  type Sequences,
} from '../indexed/sequences.js';
import { requireVocabularyOf } from '../indexed/vocabulary.js';
import { hasSamples, requireSamples, type DatasetPart, type SampleKind } from './prepare.js';
import { splitBoundaries } from './split.js';

/** Data sets, with the weights that were given; or texts. */
export type Corpus =
  | { readonly kind: 'texts'; readonly texts: readonly string[] }
  | { readonly kind: 'datasets'; readonly datasets: readonly GivenDataset[] };

export interface GivenDataset {
  readonly prefix: string;
  readonly weight?: number;
}

/**
 * Tells data sets, each of which may have its weight before it as in Megatron-LM's `--data-path`, from files and folders
 * of text.
 *
 * @throws InputError where there is neither, or both
 */
export function resolveCorpus(given: string | readonly string[]): Corpus {
  const words = typeof given === 'string' ? [given] : given;
  const datasets: GivenDataset[] = [];
  const texts: string[] = [];
  let weight: number | undefined;
  for (const word of words) {
    const prefix = prefixOf(word);
    const isDataset = existsSync(`${prefix}.idx`) || existsSync(`${prefix}.bin`);
    if (isDataset) datasets.push({ prefix, ...(weight !== undefined && { weight }) });
    else if (existsSync(word)) texts.push(word);
    else if (weight === undefined && Number(word) > 0 && Number(word) < Infinity) {
      weight = Number(word);
      continue;
    } else
      throw new InputError(
        `the corpus ${word} does not exist: expected text, a folder of it, or a data set (${word}.idx and ${word}.bin)`,
      );
    if (weight !== undefined && !isDataset)
      throw new InputError(`${word}: expected a data set after the weight ${weight}, found text`);
    weight = undefined;
  }
  if (weight !== undefined)
    throw new InputError(`expected a data set after the weight ${weight}, found none`);
  if (datasets.length > 0 && texts.length > 0)
    throw new InputError(
      `expected data sets or text, found both: ${datasets[0]!.prefix} and ${texts[0]!}; preprocess makes a data set of text`,
    );
  const weighted = datasets.filter((dataset) => dataset.weight !== undefined).length;
  if (weighted > 0 && weighted < datasets.length)
    throw new InputError(`expected a weight before each of ${datasets.length} data sets, found ${weighted}`);
  return texts.length > 0 ? { kind: 'texts', texts } : { kind: 'datasets', datasets };
}

/** A data set that is open, and what it is known by. */
export interface OpenedDataset extends GivenDataset {
  readonly sequences: Sequences;
  /** SHA-256 of its index. */
  readonly index: string;
}

/** @throws InputError where one cannot be read, disagrees with itself, or was made with another vocabulary */
export async function openDatasets(
  given: readonly GivenDataset[],
  vocab: readonly string[],
): Promise<OpenedDataset[]> {
  const opened: OpenedDataset[] = [];
  try {
    for (const dataset of given) {
      const sequences = await openSequences(dataset.prefix);
      opened.push({ ...dataset, sequences, index: (await checksumOf(`${dataset.prefix}.idx`)).sha256 });
      requireConsistent(sequences);
      await requireVocabularyOf(sequences, vocab);
    }
    return opened;
  } catch (error) {
    for (const { sequences } of opened) sequences.close();
    throw error;
  }
}

/** Parts of all data sets; of those for evaluation and test, the ones that make samples. */
export interface CorpusParts {
  readonly train: readonly DatasetPart[];
  readonly validation: readonly DatasetPart[];
  readonly test: readonly DatasetPart[];
}

/**
 * Documents of sentences that a data set must have for whole ones to be kept apart. Of fewer, sentences are; and
 * sequences of running text, as Megatron-LM splits it.
 */
const enoughDocuments = 20;
/** Tokens without which neither training nor evaluation says anything. */
const fewestTokens = 64;

/** @throws InputError where there would be next to no text to train on or to evaluate with */
export function splitCorpus(
  datasets: readonly OpenedDataset[],
  split: string,
  kind: SampleKind['kind'],
): CorpusParts {
  const ranges = datasets.map(({ sequences }) => splitRanges(sequences, split, kind));
  const trainTokens = ranges.map(([range], i) => tokensIn(datasets[i]!.sequences, range));
  const partsOf = (which: 0 | 1 | 2): DatasetPart[] => {
    const parts = datasets.flatMap(({ sequences, index, weight }, i) => {
      const range = ranges[i]![which];
      const isUsed = which === 0 ? range.end > range.first : hasSamples(sequences, range, kind);
      return isUsed ? [{ sequences, index, range, weight: weight ?? trainTokens[i]! }] : [];
    });
    const total = parts.reduce((sum, { weight }) => sum + weight, 0);
    return parts.map((part) => ({ ...part, weight: part.weight / total }));
  };
  if (kind === 'bert')
    datasets.forEach(({ sequences }, i) => {
      const [range] = ranges[i]!;
      if (range.end > range.first) requireSamples(sequences, range);
    });
  const parts = { train: partsOf(0), validation: partsOf(1), test: partsOf(2) };
  const all = datasets.reduce((sum, { sequences }) => sum + sequences.tokenCount, 0);
  for (const [name, purpose] of [
    ['train', 'to train on'],
    ['validation', 'to evaluate with'],
  ] as const) {
    const tokens = tokenCount(parts[name]);
    if (tokens < fewestTokens)
      throw new InputError(
        `the corpus is too small: of ${all} tokens the split ${shown(split)} leaves ${tokens} ${purpose}, at least ${fewestTokens} are needed`,
      );
  }
  return parts;
}

function splitRanges(
  sequences: Sequences,
  split: string,
  kind: SampleKind['kind'],
): readonly [SequenceRange, SequenceRange, SequenceRange] {
  const isByDocument = kind === 'bert' && sequences.documentCount >= enoughDocuments;
  const boundaries = splitBoundaries(split, isByDocument ? sequences.documentCount : sequences.count);
  const [begin, train, validation, end] = isByDocument
    ? boundaries.map((document) => sequences.documentStarts(document, document + 1)[0]!)
    : boundaries;
  return [
    { first: begin, end: train },
    { first: train, end: validation },
    { first: validation, end: end },
  ];
}

const tokensIn = (sequences: Sequences, { first, end }: SequenceRange) =>
  sequences.place(end) - sequences.place(first);

export const tokenCount = (parts: readonly DatasetPart[]): number =>
  parts.reduce((sum, { sequences, range }) => sum + tokensIn(sequences, range), 0);
