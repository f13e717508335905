import type { TransformerConfig } from '../model/config.js';

/** What is computed at once: sequences of so many tokens, and rows of the masked-LM head. */
export interface ComputedBatch {
  readonly batchSize: number;
  readonly sequenceLength: number;
  /** B·s where every position is predicted, as Megatron-LM does it. */
  readonly predictionCount: number;
}

/**
 * Floating-point operations of a forward and backward pass: two for each multiplication in a matrix product, and twice
 * as many backward as forward. Where every position is predicted and the MLP is four times as wide as the model, that
 * is 72·B·l·s·h²·(1 + s/(6h) + V/(12lh)) (arXiv 2205.05198, appendix A). As there, what is computed again for the
 * backward pass, the masked-LM head's own dense layer and the pooler do not count.
 */
export function modelFlops(
  {
    hidden_size: h,
    intermediate_size: f,
    num_hidden_layers: l,
    vocab_size: V,
  }: Pick<TransformerConfig, 'hidden_size' | 'intermediate_size' | 'num_hidden_layers' | 'vocab_size'>,
  { batchSize: B, sequenceLength: s, predictionCount }: ComputedBatch,
): number {
  const projections = 8 * B * s * h * h;
  const attention = 4 * B * s * s * h;
  const mlp = 4 * B * s * h * f;
  const head = 2 * predictionCount * h * V;
  return 3 * (l * (projections + attention + mlp) + head);
}
