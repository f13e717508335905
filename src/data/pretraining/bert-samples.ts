import type { Tokens } from '../indexed/token-types.js';
import { maskWords, type MaskingOptions } from './masking.js';
import type { RandomState } from './random-state.js';

/** Plain data, so that threads can be told it. */
export interface BertSampleOptions extends MaskingOptions {
  /** Tokens of a sample, special ones and padding included. */
  readonly sequenceLength: number;
  readonly seed: number;
}

/** int32, row-major: [batchSize, sequenceLength] each, `next_sentence_label` [batchSize]. */
export interface BertBatch {
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

/** Special tokens of a sample. */
export const specialTokens = 3;

export function emptyBertBatch(batchSize: number, { sequenceLength, tokens }: BertSampleOptions): BertBatch {
  const row = () => new Int32Array(batchSize * sequenceLength);
  return {
    batchSize,
    sequenceLength,
    input_ids: row().fill(tokens.pad),
    token_type_ids: row(),
    attention_mask: row(),
    labels: row().fill(-100),
    next_sentence_label: new Int32Array(batchSize),
  };
}

/** Sentences of a sample, one after another. */
export interface SampleSentences {
  readonly tokens: Tokens;
  readonly lengths: Int32Array;
  /** Tokens to cut them to. */
  readonly target: number;
}

/**
 * Writes a sample into a row of a batch: two segments, swapped half of the time, with masked words. A function of
 * `random` alone, which the sample's number seeds. Megatron-LM's `build_training_sample` (megatron/data/bert_dataset.py).
 */
export function writeBertSample(
  batch: BertBatch,
  row: number,
  { tokens, lengths, target }: SampleSentences,
  random: RandomState,
  options: BertSampleOptions,
): void {
  const sentences = lengths.length;
  const boundary = sentences < 3 ? 1 : random.integer(1, sentences);
  const middle = total(lengths, boundary);
  const isSwapped = random.random() < 0.5;
  const segments = [
    { start: 0, end: middle },
    { start: middle, end: tokens.length },
  ];
  if (isSwapped) segments.reverse();
  const [a, b] = segments as [Segment, Segment];
  truncate(a, b, target, random);

  const { cls, sep } = options.tokens;
  const [aLength, bLength] = [a.end - a.start, b.end - b.start];
  const offset = row * options.sequenceLength;
  const ids = batch.input_ids.subarray(offset, offset + aLength + bLength + specialTokens);
  ids[0] = cls;
  ids.set(tokens.subarray(a.start, a.end), 1);
  ids[aLength + 1] = sep;
  ids.set(tokens.subarray(b.start, b.end), aLength + 2);
  ids[ids.length - 1] = sep;
  batch.next_sentence_label[row] = Number(isSwapped);
  batch.attention_mask.fill(1, offset, offset + ids.length);
  batch.token_type_ids.fill(1, offset + aLength + 2, offset + ids.length);
  maskWords(ids, target, random, options, (position, id) => {
    batch.labels[offset + position] = id;
  });
}

/** Tokens of the first so many sentences. */
export function total(lengths: Int32Array, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += lengths[i]!;
  return sum;
}

interface Segment {
  start: number;
  end: number;
}

/** Takes tokens off the longer segment, at one end or the other, until both fit. */
function truncate(a: Segment, b: Segment, most: number, random: RandomState): void {
  const length = ({ start, end }: Segment) => end - start;
  while (length(a) + length(b) > most) {
    const longer = length(a) > length(b) ? a : b;
    if (random.random() < 0.5) longer.start++;
    else longer.end--;
  }
}
