import { InputError } from '../errors.js';
import { randomBits, randomKey, randomUniform, type RandomKey } from '../random.js';
import type { SpecialTokenIds } from '../text/tokenizer.js';
import { maskWords } from './masking.js';
import type { TokenizedCorpus } from './tokenized-corpus.js';

/** Plain data, so that threads can be told it. */
export interface PretrainingSampleOptions {
  /** Tokens of a sample, special ones and padding included. */
  readonly sequenceLength: number;
  readonly seed: number;
  /** Without padding: random words are drawn from these. */
  readonly vocabSize: number;
  readonly tokens: SpecialTokenIds;
  /** By id: 1 for a piece that goes on with the word before it. */
  readonly isContinuation: Uint8Array;
  /** Fraction of tokens to predict. */
  readonly maskProbability?: number;
}

/** int32, row-major: [batchSize, sequenceLength] each, `next_sentence_label` [batchSize]. */
export interface PretrainingBatch {
  readonly batchSize: number;
  readonly sequenceLength: number;
  readonly input_ids: Int32Array;
  readonly token_type_ids: Int32Array;
  readonly attention_mask: Int32Array;
  /** The token that was there, and −100 where nothing is to be predicted. */
  readonly labels: Int32Array;
  /** 1 where the two segments were swapped. */
  readonly next_sentence_label: Int32Array;
}

export interface PretrainingSamples {
  /** Samples of an epoch. */
  readonly length: number;
  /** Samples `start` to `start + count` of the run, counted on from epoch to epoch. */
  batch(start: number, count: number): PretrainingBatch;
}

export const defaultMaskProbability = 0.15;
const shortSequenceProbability = 0.1;
const specialTokens = 3;

/** The most tokens of a sequence that are to be predicted. */
export function maximumPredictions(sequenceLength: number, maskProbability = defaultMaskProbability): number {
  return Math.max(1, Math.round(sequenceLength * maskProbability));
}

/** A run of sentences of one document: tokens `start` to `end`, sentences starting at `boundaries`. */
interface Span {
  readonly start: number;
  readonly end: number;
  /** Where the second segment can start; never empty. */
  readonly boundaries: readonly number[];
}

/**
 * Megatron-LM's BERT samples: two segments of one document, swapped half of the time, with masked words. A
 * sample is a function of the seed and its number alone.
 *
 * @throws InputError where no document has two tokens, or a sequence has no room for two
 */
export function pretrainingSamples(
  corpus: TokenizedCorpus,
  options: PretrainingSampleOptions,
): PretrainingSamples {
  const { sequenceLength, seed } = options;
  if (sequenceLength < specialTokens + 2)
    throw new InputError(`sequence length: expected ${specialTokens + 2} or more, found ${sequenceLength}`);
  const spans = findSpans(corpus, sequenceLength - specialTokens, seed);
  const { length } = spans;
  if (length === 0) throw new InputError('the corpus has no document of two or more tokens');
  return {
    length,
    batch(start, count) {
      const row = () => new Int32Array(count * sequenceLength);
      const batch: PretrainingBatch = {
        batchSize: count,
        sequenceLength,
        input_ids: row().fill(options.tokens.pad),
        token_type_ids: row(),
        attention_mask: row(),
        labels: row().fill(-100),
        next_sentence_label: new Int32Array(count),
      };
      for (let i = 0; i < count; i++) {
        const epoch = Math.floor((start + i) / length);
        const place = permute((start + i) % length, length, randomKey(seed, 'order', epoch));
        writeSample(batch, i, corpus.tokens, spans[place]!, randomKey(seed, 'sample', start + i), options);
      }
      return batch;
    },
  };
}

/** Cuts documents into runs of sentences of about `target` tokens, now and then shorter ones. */
function findSpans({ sentences, documents }: TokenizedCorpus, target: number, seed: number): Span[] {
  const spans: Span[] = [];
  const key = randomKey(seed, 'spans');
  const drawTarget = () => {
    const isShort = randomUniform(key, 2 * spans.length) < shortSequenceProbability;
    return isShort ? 2 + Math.floor(randomUniform(key, 2 * spans.length + 1) * (target - 1)) : target;
  };
  for (let document = 0; document + 1 < documents.length; document++) {
    const last = documents[document + 1]!;
    let first = documents[document]!;
    let wanted = drawTarget();
    for (let next = first + 1; next <= last; next++) {
      const isLong = sentences[next]! - sentences[first]! >= wanted;
      // a run has two sentences where it can, and leaves no single one over
      const isCut = isLong && next - first >= 2 && last - next !== 1;
      if (!isCut && next !== last) continue;
      const [start, end] = [sentences[first]!, sentences[next]!];
      const boundaries = [...sentences.subarray(first + 1, next)];
      // a lone sentence is parted in the middle
      if (end - start >= 2)
        spans.push({
          start,
          end,
          boundaries: boundaries.length > 0 ? boundaries : [start + ((end - start) >> 1)],
        });
      first = next;
      wanted = drawTarget();
    }
  }
  return spans;
}

function writeSample(
  batch: PretrainingBatch,
  row: number,
  tokens: Int32Array,
  { start, end, boundaries }: Span,
  key: RandomKey,
  {
    sequenceLength,
    tokens: special,
    maskProbability = defaultMaskProbability,
    ...words
  }: PretrainingSampleOptions,
): void {
  let draws = 0;
  const uniform = () => randomUniform(key, draws++);
  const boundary = boundaries[Math.floor(uniform() * boundaries.length)]!;
  const segments = [tokens.subarray(start, boundary), tokens.subarray(boundary, end)];
  const isSwapped = uniform() < 0.5;
  if (isSwapped) segments.reverse();
  const [a, b] = truncate(segments as [Int32Array, Int32Array], sequenceLength - specialTokens, uniform);

  const ids = [special.cls, ...a, special.sep, ...b, special.sep];
  const offset = row * sequenceLength;
  batch.next_sentence_label[row] = Number(isSwapped);
  batch.attention_mask.fill(1, offset, offset + ids.length);
  batch.token_type_ids.fill(1, offset + a.length + 2, offset + ids.length);
  for (const [position, label] of maskWords(ids, uniform, {
    ...words,
    special,
    count: maximumPredictions(ids.length, maskProbability),
  }))
    batch.labels[offset + position] = label;
  batch.input_ids.set(ids, offset);
}

/** Takes tokens off the longer segment, at one end or the other, until both fit. */
function truncate(
  [a, b]: [Int32Array, Int32Array],
  most: number,
  uniform: () => number,
): [Int32Array, Int32Array] {
  while (a.length + b.length > most) {
    const shorten = (x: Int32Array) => (uniform() < 0.5 ? x.subarray(1) : x.subarray(0, -1));
    if (a.length > b.length) a = shorten(a);
    else b = shorten(b);
  }
  return [a, b];
}

/** Place `index` of a random order of `length` things: a Feistel network, walked until it stays in range. */
function permute(index: number, length: number, key: RandomKey): number {
  const halfBits = Math.max(1, Math.ceil(Math.log2(length) / 2));
  const half = 2 ** halfBits;
  let place = index;
  do {
    let [left, right] = [Math.floor(place / half), place % half];
    for (let round = 0; round < 4; round++)
      [left, right] = [right, left ^ (randomBits(key, round * half + right) % half)];
    place = left * half + right;
  } while (place >= length);
  return place;
}
