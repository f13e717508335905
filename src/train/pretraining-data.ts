import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { exists } from '../checkpoint/paths.js';
import {
  openDatasets,
  resolveCorpus,
  splitCorpus,
  tokenCount,
  type GivenDataset,
  type OpenedDataset,
} from '../data/pretraining/corpus-parts.js';
import { longestSentence } from '../data/pretraining/bert-mapping.js';
import { prepareSamples, type PreparedSamples, type SampleKind } from '../data/pretraining/prepare.js';
import { unigramEntropy } from '../data/pretraining/unigram-entropy.js';
import { listInputs } from '../data/preprocess/inputs.js';
import { preprocess, tokenizerChecksum } from '../data/preprocess/preprocess.js';
import type { AnyTokenizer } from '../text/tokenizer-json.js';
import type { PretrainOptions } from './pretrain-options.js';

/** The text of a run, as samples in the order in which they are trained on. */
export interface PretrainingData {
  readonly train: PreparedSamples;
  readonly heldOut: PreparedSamples;
  /** Where the split leaves something for it. */
  readonly test?: PreparedSamples;
  readonly trainTokens: number;
  readonly heldOutTokens: number;
  /** See `unigramEntropy`. */
  readonly unigramEntropy: number;
  /** The same where all of this is the same. */
  readonly identity: string;
}

/** Samples that a run needs. */
export interface SampleCounts {
  readonly train: number;
  readonly evaluation: number;
}

/** In the folder of a run: what text becomes, and indices of samples. */
export const dataFolderOf = (output: string) => path.join(output, 'data');

export const defaultSplit = '949,50,1';

/** @throws InputError for a corpus that cannot be trained on */
export async function preparePretrainingData(
  options: PretrainOptions,
  tokenizer: AnyTokenizer,
  kind: SampleKind,
  counts: SampleCounts,
): Promise<PretrainingData> {
  const { split = defaultSplit, onEvent } = options;
  const corpus = resolveCorpus(options.corpus);
  const datasets = await openDatasets(
    corpus.kind === 'datasets'
      ? corpus.datasets
      : [await makeDataset(corpus.texts, kind, tokenizer, options)],
    tokenizer.vocab,
  );
  try {
    const parts = splitCorpus(datasets, split, kind.kind);
    const folder = options.dataCachePath ?? path.join(dataFolderOf(options.output), 'samples');
    const onWarning = (message: string) => onEvent?.({ kind: 'warning', message });
    const prepare = (part: keyof typeof parts, count: number) =>
      prepareSamples(parts[part], { kind, count, folder, ...(part === 'train' && { onWarning }) });
    return {
      train: await prepare('train', counts.train),
      heldOut: await prepare('validation', counts.evaluation),
      ...(parts.test.length > 0 && { test: await prepare('test', counts.evaluation) }),
      trainTokens: tokenCount(parts.train),
      heldOutTokens: tokenCount(parts.validation),
      unigramEntropy: unigramEntropy(parts.train, parts.validation, tokenizer.vocabSize),
      identity: hashOf([split, datasets.map(identityOf), kind]),
    };
  } finally {
    for (const { sequences } of datasets) sequences.close();
  }
}

const identityOf = ({ index, weight, sequences }: OpenedDataset) => ({
  index,
  tokens: sequences.tokenCount,
  ...(weight !== undefined && { weight }),
});

/** Tokens of a text's pieces that are shuffled, in samples. */
const samplesOfPiece = 8;

/** Makes a data set of texts, in the folder of the run; where it is there already, nothing. */
async function makeDataset(
  texts: readonly string[],
  kind: SampleKind,
  tokenizer: AnyTokenizer,
  options: PretrainOptions,
): Promise<GivenDataset> {
  const files = await listInputs(texts);
  const encoding =
    kind.kind === 'bert'
      ? { splitSentences: true, longestSequence: longestSentence }
      : { appendEod: true, longestSequence: samplesOfPiece * kind.sequenceLength };
  const hash = hashOf([
    files.map(({ path: name, bytes, modified }) => [path.resolve(name), bytes, modified]),
    tokenizerChecksum(tokenizer),
    encoding,
  ]);
  const folder = dataFolderOf(options.output);
  const outputPrefix = path.join(folder, `corpus-${hash.slice(0, 16)}`);
  const prefix = `${outputPrefix}_text_${kind.kind === 'bert' ? 'sentence' : 'document'}`;
  if (await exists(`${prefix}.idx`)) return { prefix };
  await mkdir(folder, { recursive: true });
  await preprocess({
    input: texts,
    tokenizer: options.tokenizer,
    outputPrefix,
    ...encoding,
    onProgress: (progress) => options.onEvent?.({ kind: 'tokenizing', ...progress }),
  });
  return { prefix };
}

const hashOf = (value: unknown) => createHash('sha256').update(JSON.stringify(value)).digest('hex');
