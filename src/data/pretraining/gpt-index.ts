/**
 * Which tokens make a sample of running text: the three indices of Megatron-LM's GPT data set (megatron/data/
 * gpt_dataset.py of 2.x), draw for draw. Documents are laid end to end in a random order, epoch after epoch, and cut
 * into samples, which are shuffled.
 */
import { randomState } from './random-state.js';

export interface GptIndex {
  /** Numbers of documents, in the order in which they are laid end to end. */
  readonly documents: Uint32Array;
  /** Pairs: where each sample begins, as a place in `documents` and a token of that one; and where the last ends. */
  readonly samples: Uint32Array;
  /** The order of the samples. */
  readonly order: Uint32Array;
}

/** A last epoch of which less is needed is shuffled by itself, so that the others are whole before it. */
const separateShare = 0.8;

/**
 * @param lengths tokens of each document; not all are 0
 * @param sequenceLength tokens that a sample predicts; it has one more, and shares one with the next
 */
export function gptIndex(lengths: Int32Array, sequenceLength: number, count: number, seed: number): GptIndex {
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const samplesOf = (epochs: number) => Math.floor((epochs * tokens - 1) / sequenceLength);
  const epochs = Math.max(1, Math.ceil((count * sequenceLength + 1) / tokens));
  const whole = epochs - 1;
  const samplesOfWhole = whole === 0 ? 0 : samplesOf(whole);
  const isSeparate =
    whole > 0 &&
    count - samplesOfWhole < Math.floor(separateShare * Math.floor((tokens - 1) / sequenceLength));

  const random = randomState(seed);
  const documents = Uint32Array.from({ length: epochs * lengths.length }, (_, i) => i % lengths.length);
  if (isSeparate) {
    random.shuffle(documents, 0, whole * lengths.length);
    random.shuffle(documents, whole * lengths.length);
  } else random.shuffle(documents);
  const samples = cutSamples(documents, lengths, sequenceLength, samplesOf(epochs));
  const order = Uint32Array.from({ length: samplesOf(epochs) }, (_, i) => i);
  if (isSeparate) {
    random.shuffle(order, 0, samplesOfWhole);
    random.shuffle(order, samplesOfWhole);
  } else random.shuffle(order);
  return { documents, samples, order };
}

function cutSamples(
  documents: Uint32Array,
  lengths: Int32Array,
  sequenceLength: number,
  count: number,
): Uint32Array {
  const samples = new Uint32Array(2 * (count + 1));
  let place = 0;
  let offset = 0;
  for (let sample = 1; sample <= count; sample++) {
    // of the s + 1 tokens of a sample, the last is the next one's first
    let left = sequenceLength + 1;
    while (left > 0) {
      const rest = lengths[documents[place]!]! - offset;
      left -= rest;
      if (left <= 0) offset += left + rest - 1;
      else {
        place++;
        offset = 0;
      }
    }
    samples.set([place, offset], 2 * sample);
  }
  return samples;
}
