import { openGptSamples, type GptSampleOptions } from '../../data/pretraining/samples.js';
import type { TransformerConfig } from '../../model/config.js';
import { gpt2Blocks } from '../../model/gpt2-blocks.js';
import type { Objective } from './objective.js';

/** GPT-2's: the token that follows. */
export function nextToken(
  config: TransformerConfig,
  samples: GptSampleOptions,
  microBatchSize: number,
): Objective {
  const blocks = gpt2Blocks(config);
  return {
    blocks,
    evaluationBlocks: blocks,
    predictionCount: microBatchSize * samples.sequenceLength,
    async openBatches(prepared) {
      const { batch, close } = await openGptSamples(prepared, samples);
      return {
        batch(start, count) {
          const { input_ids, labels } = batch(start, count);
          return { input_ids, labels };
        },
        close,
      };
    },
  };
}
