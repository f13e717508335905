/**
 * Which sentences make a sample: Megatron-LM's `build_mapping` (megatron/data/helpers.cpp of 2.x), draw for draw.
 */
import { mersenneTwister32 } from './mersenne-twister.js';

/** A sentence of more tokens leaves its document out: it is a table or the like. */
export const longestSentence = 512;

export interface MappedDocument {
  /** Number of its first sentence. */
  readonly first: number;
  /** Tokens of each sentence. */
  readonly lengths: Int32Array;
}

export interface BertMappingOptions {
  /** The most tokens of a sample, without the special ones. */
  readonly longest: number;
  /** Of samples that are to be shorter. */
  readonly shortSequenceProbability: number;
  readonly seed: number;
}

/** Takes a sample: sentences `first` up to, but not, `end`, to be cut to `target` tokens. */
export type EmitSample = (first: number, end: number, target: number) => void;

/** A document has two sentences at least, one for each segment. */
const fewestSentences = 2;

/** Maps epoch after epoch: a call takes all documents once, and goes on with the draws of the call before. */
export function bertMapping({ longest, shortSequenceProbability, seed }: BertMappingOptions) {
  const bits = mersenneTwister32(seed);
  const ratio = shortSequenceProbability > 0 ? Math.round(1 / shortSequenceProbability) : 0;
  const drawTarget = () => {
    if (ratio === 0) return longest;
    const drawn = bits.next();
    return drawn % ratio === 0 ? 2 + (drawn % (longest - 1)) : longest;
  };
  return ({ first, lengths }: MappedDocument, emit: EmitSample): void => {
    if (!isMapped(lengths)) return;
    let start = 0;
    let tokens = 0;
    let target = drawTarget();
    for (let next = 1; next <= lengths.length; next++) {
      tokens += lengths[next - 1]!;
      const left = lengths.length - next;
      // a sample never leaves a single sentence over
      const isFull = tokens >= target && left > 1 && next - start >= fewestSentences;
      if (!isFull && left > 0) continue;
      emit(first + start, first + next, target);
      target = drawTarget();
      start = next;
      tokens = 0;
    }
  };
}

/** Whether a document of these sentences makes samples. */
export const isMapped = (lengths: Int32Array): boolean =>
  lengths.length >= fewestSentences && lengths.every((length) => length <= longestSentence);
