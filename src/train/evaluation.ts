/** Held-out text: how well it is predicted, and what some of its words are taken for. */
import { tensorParallel, type Ranks } from '../parallel/ranks.js';
import type { Communicator } from '../parallel/communicator.js';
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
  readonly ranks: Ranks;
  readonly microBatchSize: number;
  readonly sequenceLength: number;
}

/**
 * Every rank calls this with the same batches, which data ranks share out; the last stage's ranks get what comes of it,
 * and the samples that the first of them has seen.
 *
 * @param batches as the blocks take them; @see toBlockInputs
 */
export async function evaluateBatches(
  trainer: Trainer,
  batches: readonly Batch[],
  { vocabSize, ranks, microBatchSize, sequenceLength }: EvaluationOptions,
): Promise<Evaluation & { readonly samples: PredictedSample[] }> {
  const { mesh, place, groups } = ranks;
  const tensor = tensorParallel(ranks);
  const isLastStage = place.pipeline === mesh.pipeline - 1;
  const part = vocabSize / tensor.size;
  const vocabulary_ids = Float32Array.from({ length: part }, (_, i) => tensor.rank * part + i);
  const samples: PredictedSample[] = [];
  const sums = new Float64Array(4);
  for (const batch of batches.filter((_, i) => i % mesh.data === place.data)) {
    const scalars = await trainer.evaluate({ ...batch, vocabulary_ids });
    if (!isLastStage) continue;
    const { lm_loss, lm_count, lm_correct, next_sentence_correct = NaN } = scalars;
    [lm_loss! * lm_count!, lm_correct!, lm_count!, next_sentence_correct].forEach((x, i) => (sums[i]! += x));
    if (batch.prediction_positions && samples.length < toldSamples)
      samples.push(...(await readPredictions(trainer, batch, sequenceLength)));
  }
  const [loss, correct, count, inOrder] = (await sumOver(groups.data, sums)) as [
    number,
    number,
    number,
    number,
  ];
  const order_accuracy = inOrder / (batches.length * microBatchSize);
  return {
    loss: loss / count,
    accuracy: correct / count,
    ...(Number.isFinite(order_accuracy) && { order_accuracy }),
    samples: samples.slice(0, toldSamples),
  };
}

async function sumOver(data: Communicator, own: Float64Array): Promise<readonly number[]> {
  if (data.size === 1) return [...own];
  const sums = Float32Array.from(own);
  await data.allReduce(sums, 'sum');
  return [...sums];
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
