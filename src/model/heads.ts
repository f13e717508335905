import {
  cast,
  divide,
  equal,
  gelu,
  matmul,
  reshape,
  select,
  slice,
  sum,
  tanh,
  add,
} from '../graph/functions.js';
import type { Value } from '../graph/value.js';
import type { MegatronBertConfig } from './config.js';
import { norm } from './layer.js';
import { layerNormParameters, linearParameters, vocabParallelBias, type ValuesOf } from './parameters.js';
import { singleRank, type Run, type TensorParallel } from './run.js';
import { copyToTensorParallel, linear, vocabParallelCrossEntropy } from './tensor-parallel.js';

/** Labels that nothing is predicted for. */
export const ignoredLabel = -100;

export function poolerParameters({ hidden_size, initializer_range }: MegatronBertConfig) {
  return { dense: linearParameters(hidden_size, hidden_size, initializer_range) };
}

/** hidden [batch · sequence, hidden] → [batch, hidden], from each sequence's first position. */
export function pooler(
  hidden: Value,
  { dense }: ValuesOf<ReturnType<typeof poolerParameters>>,
  run: Run,
): Value {
  const [, width] = hidden.shape as [number, number];
  const first = slice(reshape(hidden, [run.batchSize, run.sequenceLength, width]), 1, 0, 1);
  return tanh(linear(reshape(first, [run.batchSize, width]), dense));
}

export function predictionsParameters({ hidden_size, vocab_size, initializer_range }: MegatronBertConfig) {
  return {
    transform: {
      dense: linearParameters(hidden_size, hidden_size, initializer_range),
      LayerNorm: layerNormParameters(hidden_size),
    },
    bias: vocabParallelBias(vocab_size),
  };
}

/** The masked-LM head: hidden [rows, hidden] → this rank's columns of the logits [rows, vocabulary / ranks]. */
export function predictions(
  hidden: Value,
  { transform, bias }: ValuesOf<ReturnType<typeof predictionsParameters>>,
  wordEmbeddings: Value,
  config: MegatronBertConfig,
  tensor: TensorParallel,
): Value {
  const transformed = norm(gelu(linear(hidden, transform.dense)), transform.LayerNorm, config);
  return add(matmul(copyToTensorParallel(transformed, tensor), wordEmbeddings, { transposeB: true }), bias);
}

/** Two classes: 0, the second segment follows the first; 1, it does not. */
export function sequenceRelationshipParameters({ hidden_size, initializer_range }: MegatronBertConfig) {
  return linearParameters(2, hidden_size, initializer_range);
}

export interface LabelledLoss {
  /** Mean over the labelled rows. */
  readonly loss: Value;
  /** How many rows are labelled, and for how many the label is the first choice. */
  readonly count: Value;
  readonly correct: Value;
}

/** logits [rows, classes / ranks], labels [rows] → scalars, over the rows whose label is not ignored. */
export function labelledLoss(
  logits: Value,
  labels: Value,
  tensor: TensorParallel = singleRank,
): LabelledLoss {
  const { loss, margin } = vocabParallelCrossEntropy(logits, labels, tensor);
  const isIgnored = equal(labels, ignoredLabel);
  const overLabelled = (x: Value | number) => reshape(sum(select(isIgnored, 0, x), [0]), []);
  const count = overLabelled(1);
  return {
    loss: divide(overLabelled(loss), count),
    count,
    correct: overLabelled(cast(equal(margin, 0), 'float32')),
  };
}
