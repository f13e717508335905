import type { BertSampleOptions } from '../../data/pretraining/bert-samples.js';
import { maximumPredictions } from '../../data/pretraining/masking.js';
import { openBertSamples } from '../../data/pretraining/samples.js';
import { pretrainingBlocks } from '../../model/blocks.js';
import type { TransformerConfig } from '../../model/config.js';
import type { Objective } from './objective.js';
import { toBlockInputs } from './masked-batch.js';

/** BERT's: masked words, and the order of two segments. */
export function maskedWords(
  config: TransformerConfig,
  samples: BertSampleOptions,
  microBatchSize: number,
): Objective {
  const { sequenceLength, maskProbability } = samples;
  const predictionCount = microBatchSize * maximumPredictions(sequenceLength, maskProbability);
  return {
    blocks: pretrainingBlocks(config, { predictionCount }),
    evaluationBlocks: pretrainingBlocks(config, { predictionCount, predicts: true }),
    predictionCount,
    async openBatches(prepared) {
      const { batch, close } = await openBertSamples(prepared, samples);
      return { batch: (start, count) => toBlockInputs(batch(start, count), predictionCount), close };
    },
  };
}
