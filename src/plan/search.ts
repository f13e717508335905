/** Every way of dividing a model and its batches up. */
import { recomputations, type Recomputation } from '../train/recomputation.js';
import type { PlannedModel } from './model-sizes.js';
import { paddedFor } from './model-sizes.js';
import type { Choice } from './settings.js';

/** Sizes that are given. */
export interface Fixed {
  readonly tensor?: number | undefined;
  readonly pipeline?: number | undefined;
  readonly microBatchSize?: number | undefined;
  readonly chunks?: number | undefined;
  readonly recomputation?: Recomputation | undefined;
}

/** Chunks of a stage that are tried: each makes the bubble smaller and the messages more. */
const chunkCounts = [1, 2, 4];

/** All that can be divided so: sizes that are fixed may leave none. */
export function choices(
  model: PlannedModel,
  devices: number,
  globalBatchSize: number,
  fixed: Fixed,
): Choice[] {
  const { num_hidden_layers: layers, num_attention_heads: heads, intermediate_size: ffn } = model.config;
  const found: Choice[] = [];
  const tensors = divisors(devices).filter(
    (t) => heads % t === 0 && ffn % t === 0 && paddedFor(model, t).vocab_size % t === 0,
  );
  for (const tensor of given(tensors, fixed.tensor))
    for (const pipeline of given(divisors(devices / tensor), fixed.pipeline)) {
      const data = devices / tensor / pipeline;
      if (layers % pipeline !== 0 || globalBatchSize % data !== 0) continue;
      for (const microBatchSize of given(divisors(globalBatchSize / data), fixed.microBatchSize)) {
        const microBatches = globalBatchSize / data / microBatchSize;
        const possible = chunkCounts.filter(
          (chunks) =>
            chunks === 1 ||
            (pipeline > 1 && layers % (pipeline * chunks) === 0 && microBatches % pipeline === 0),
        );
        for (const chunks of given(possible, fixed.chunks))
          for (const recomputation of given(recomputations, fixed.recomputation))
            found.push({ mesh: { tensor, pipeline, data }, microBatchSize, chunks, recomputation });
      }
    }
  return found;
}

/** What is given, if it is possible at all. */
const given = <T>(possible: readonly T[], wanted: T | undefined): readonly T[] =>
  wanted === undefined ? possible : possible.filter((value) => value === wanted);

const divisors = (n: number) => Array.from({ length: n }, (_, i) => i + 1).filter((i) => n % i === 0);
