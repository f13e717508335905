import type { BertBatch } from '../../data/pretraining/bert-samples.js';
import { ignoredLabel } from '../../model/losses.js';
import type { Batch } from '../chain.js';

/**
 * A batch as the blocks take it: the labelled positions alone, as rows of the batch, filled up to
 * `predictionCount` with positions outside the batch and ignored labels.
 */
export function toBlockInputs(batch: BertBatch, predictionCount: number): Batch {
  const { sequenceLength, labels } = batch;
  const position_ids = new Int32Array(labels.length);
  const positions = new Int32Array(predictionCount).fill(-1);
  const predicted = new Int32Array(predictionCount).fill(ignoredLabel);
  let count = 0;
  // a loop, and no callbacks: these are numbers for every token that is trained on
  for (let position = 0; position < labels.length; position++) {
    position_ids[position] = position % sequenceLength;
    const label = labels[position]!;
    if (label === ignoredLabel) continue;
    if (count === predictionCount)
      throw new RangeError(`more than ${predictionCount} labels in a micro-batch`);
    positions[count] = position;
    predicted[count++] = label;
  }
  return {
    input_ids: batch.input_ids,
    token_type_ids: batch.token_type_ids,
    attention_mask: batch.attention_mask,
    position_ids,
    next_sentence_label: batch.next_sentence_label,
    prediction_positions: positions,
    prediction_labels: predicted,
  };
}
