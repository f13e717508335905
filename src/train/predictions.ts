/** What a model takes masked words for, as ids and as words. */
import type { Tokenizer } from '../text/tokenizer.js';
import type { PredictedWord, PredictionsEvent } from './events.js';

/** Reported by the first rank. */
export interface PredictedEvent {
  readonly kind: 'predicted';
  readonly iteration: number;
  readonly samples: readonly PredictedSample[];
}

export interface PredictedSample {
  /** As the text has them, those that stand around it left out. */
  readonly ids: readonly number[];
  /** For each masked token the likeliest one, in the order of their positions in `ids`. */
  readonly predictions: readonly {
    readonly position: number;
    readonly id: number;
    readonly probability: number;
  }[];
}

/** The same in words: the pieces of one word, which are masked together, become one prediction. */
export function describePredictions(
  { iteration, samples }: PredictedEvent,
  tokenizer: Pick<Tokenizer, 'decode' | 'isContinuation'>,
): PredictionsEvent {
  return { kind: 'predictions', iteration, sentences: samples.map((sample) => describe(sample, tokenizer)) };
}

function describe(
  { ids, predictions }: PredictedSample,
  { decode, isContinuation }: Pick<Tokenizer, 'decode' | 'isContinuation'>,
): (string | PredictedWord)[] {
  const predictedAt = new Map(predictions.map((prediction) => [prediction.position, prediction]));
  const parts: (string | PredictedWord)[] = [];
  for (let start = 0; start < ids.length;) {
    const isPredicted = predictedAt.has(start);
    let end = start + 1;
    while (
      end < ids.length &&
      predictedAt.has(end) === isPredicted &&
      (!isPredicted || isContinuation(ids[end]!))
    )
      end++;
    const truth = decode(ids.slice(start, end));
    const pieces = Array.from({ length: end - start }, (_, i) => predictedAt.get(start + i)!);
    parts.push(
      isPredicted
        ? {
            word: truth,
            predicted: decode(pieces.map(({ id }) => id)),
            probability: pieces.reduce((product, { probability }) => product * probability, 1),
          }
        : truth,
    );
    start = end;
  }
  return parts;
}
