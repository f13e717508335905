/** What a model learns: from which batches, and by which blocks it is computed. */
import type { BertSampleOptions } from '../../data/pretraining/bert-samples.js';
import type { PreparedSamples } from '../../data/pretraining/prepare.js';
import type { GptSampleOptions, Samples } from '../../data/pretraining/samples.js';
import type { Block } from '../../model/blocks.js';
import type { TransformerConfig } from '../../model/config.js';
import type { Batch } from '../chain.js';
import { maskedWords } from './masked-words.js';
import { nextToken } from './next-token.js';

/** Which samples a run is made of; plain data. */
export type SampleOptions = { readonly seed: number } & (
  ({ readonly kind: 'bert' } & BertSampleOptions) | ({ readonly kind: 'gpt' } & GptSampleOptions)
);

export interface Objective {
  /**
   * The last one gives the scalars `loss`, `lm_loss` (nats per token that is predicted), `lm_count` and `lm_correct`, and
   * where sentences are put in order `next_sentence_loss` and `next_sentence_correct`.
   */
  readonly blocks: readonly Block[];
  /** The same, for evaluation: they may tell more. */
  readonly evaluationBlocks: readonly Block[];
  /** The most tokens that a micro-batch predicts. */
  readonly predictionCount: number;
  /** Micro-batches, as the blocks take them. */
  readonly openBatches: (prepared: PreparedSamples) => Promise<Samples<Batch>>;
}

export function createObjective(
  config: TransformerConfig,
  samples: SampleOptions,
  microBatchSize: number,
): Objective {
  return samples.kind === 'bert'
    ? maskedWords(config, samples, microBatchSize)
    : nextToken(config, samples, microBatchSize);
}
