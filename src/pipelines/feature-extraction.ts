import { InputError } from '../errors.js';
import type { TextTokenizer } from '../text/text-tokenizer.js';
import { requireText, toExample, type Task, type TextOutputs } from './task.js';

export interface FeatureExtractionOptions {
  /**
   * Makes one vector of a text: the mean of its tokens' (special ones included), the first token's (`cls`), or the
   * model's pooler's. Each token's own by default.
   */
  readonly pooling?: 'none' | 'mean' | 'cls' | 'pooler';
  /** Makes vectors one long; false by default. */
  readonly normalize?: boolean;
}

/** [tokens, hidden], or [hidden] where vectors are pooled. */
export interface Features {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** The vectors of a text. Long texts are cut. */
export const featureExtraction: Task<string, FeatureExtractionOptions, Features, TextTokenizer> = (
  model,
  { pooling = 'none', normalize = false },
) => {
  const pool = poolings[pooling];
  if (!pool as unknown)
    throw new InputError(
      `pooling: expected ${Object.keys(poolings).join(', ')}, found ${JSON.stringify(pooling)}`,
    );
  return (text) => {
    requireText('feature-extraction', text);
    const encoded = model.tokenizer.encode(text, null, { truncation: true, max_length: model.longest });
    return {
      examples: [toExample(encoded, model)],
      finish([outputs]) {
        const features = pool(outputs);
        return normalize ? normalized(features) : features;
      },
    };
  };
};

const poolings: Readonly<
  Record<NonNullable<FeatureExtractionOptions['pooling']>, (outputs: TextOutputs) => Features>
> = {
  // a copy: an output is a view of those of all texts that were computed with it
  none: ({ last_hidden_state: states }) => ({ dims: states!.dims, data: states!.data.slice() }),
  mean: ({ last_hidden_state: states }) => {
    const [tokens, hidden] = states!.dims as [number, number];
    const sums = new Float64Array(hidden);
    for (let i = 0; i < states!.data.length; i++) sums[i % hidden]! += states!.data[i]!;
    return { dims: [hidden], data: Float32Array.from(sums, (sum) => sum / tokens) };
  },
  cls: ({ last_hidden_state: states }) => {
    const hidden = states!.dims[1]!;
    return { dims: [hidden], data: states!.data.slice(0, hidden) };
  },
  pooler: ({ pooler_output: pooled }) => {
    if (!pooled) throw new InputError('pooling: this model has no pooler');
    return { dims: pooled.dims, data: pooled.data.slice() };
  },
};

/** Each vector divided by its length, as PyTorch's `normalize` does it. */
function normalized({ dims, data }: Features): Features {
  const hidden = dims.at(-1)!;
  const result = new Float32Array(data.length);
  for (let start = 0; start < data.length; start += hidden) {
    const vector = data.subarray(start, start + hidden);
    const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
    result.set(
      vector.map((x) => x / Math.max(length, 1e-12)),
      start,
    );
  }
  return { dims, data: result };
}
