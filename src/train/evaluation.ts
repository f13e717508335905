/** Held-out text: how well it is predicted, and what some of its words are taken for. */
import type { TensorParallel } from '../model/run.js';
import type { Batch } from './chain.js';
import type { Evaluation } from './events.js';
import type { PredictedSample } from './predictions.js';
import type { Trainer } from './trainer.js';

/** Samples whose predictions are told. */
const toldSamples = 4;
/** Tokens of each that are told at most. */
const toldTokens = 48;

export interface EvaluationOptions {
  readonly vocabSize: number;
  readonly tensor: TensorParallel;
  readonly microBatchSize: number;
  readonly sequenceLength: number;
}

/** @param batches as the blocks take them; @see toBlockInputs */
export async function evaluateBatches(
  trainer: Trainer,
  batches: readonly Batch[],
  { vocabSize, tensor, microBatchSize, sequenceLength }: EvaluationOptions,
): Promise<Evaluation & { readonly samples: PredictedSample[] }> {
  const part = vocabSize / tensor.size;
  const vocabulary_ids = Float32Array.from({ length: part }, (_, i) => tensor.rank * part + i);
  const samples: PredictedSample[] = [];
  let loss = 0;
  let correct = 0;
  let count = 0;
  let inOrder = 0;
  for (const batch of batches) {
    const scalars = await trainer.evaluate({ ...batch, vocabulary_ids });
    loss += scalars.lm_loss! * scalars.lm_count!;
    correct += scalars.lm_correct!;
    count += scalars.lm_count!;
    inOrder += scalars.next_sentence_correct ?? NaN;
    if (batch.prediction_positions && samples.length < toldSamples)
      samples.push(...(await readPredictions(trainer, batch, sequenceLength)));
  }
  const order_accuracy = inOrder / (batches.length * microBatchSize);
  return {
    loss: loss / count,
    accuracy: correct / count,
    ...(Number.isFinite(order_accuracy) && { order_accuracy }),
    samples: samples.slice(0, toldSamples),
  };
}

/** Of the samples of the last evaluation, without the tokens around them. */
async function readPredictions(
  trainer: Trainer,
  { input_ids, attention_mask, prediction_positions, prediction_labels }: Batch,
  sequenceLength: number,
): Promise<PredictedSample[]> {
  const predicted = await trainer.readEvaluated('predicted_id');
  const probabilities = await trainer.readEvaluated('predicted_probability');
  const truth = input_ids!.slice();
  prediction_positions!.forEach((position, i) => {
    if (position >= 0) truth[position] = prediction_labels![i]!;
  });
  return Array.from({ length: truth.length / sequenceLength }, (_, row) => {
    const first = row * sequenceLength;
    const attended = attention_mask!.subarray(first, first + sequenceLength).lastIndexOf(1);
    const [start, end] = [first + 1, first + Math.min(attended, toldTokens + 1)];
    const predictions = [...prediction_positions!.entries()].flatMap(([i, position]) =>
      position >= start && position < end
        ? [{ position: position - start, id: predicted[i]!, probability: probabilities[i]! }]
        : [],
    );
    return { ids: [...truth.subarray(start, end)], predictions };
  });
}
