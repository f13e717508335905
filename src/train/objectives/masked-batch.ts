import type { BertBatch } from '../../data/pretraining/bert-samples.js';
import { ignoredLabel } from '../../model/losses.js';
import type { Batch } from '../chain.js';

/**
 * A batch as the blocks take it: the labelled positions alone, as rows of the batch, filled up to
 * `predictionCount` with positions outside the batch and ignored labels.
 */
export function toBlockInputs(batch: BertBatch, predictionCount: number): Batch {
  const { sequenceLength, labels } = batch;
  const positions = new Int32Array(predictionCount).fill(-1);
  const predicted = new Int32Array(predictionCount).fill(ignoredLabel);
  let count = 0;
  labels.forEach((label, position) => {
    if (label === ignoredLabel) return;
    if (count === predictionCount)
      throw new RangeError(`more than ${predictionCount} labels in a micro-batch`);
    positions[count] = position;
    predicted[count++] = label;
  });
  return {
    input_ids: batch.input_ids,
    token_type_ids: batch.token_type_ids,
    attention_mask: batch.attention_mask,
    position_ids: Int32Array.from(labels, (_, i) => i % sequenceLength),
    next_sentence_label: batch.next_sentence_label,
    prediction_positions: positions,
    prediction_labels: predicted,
  };
}
