/**
 * What a rank computes for a micro-batch: the matrix products of the model, and what passes through memory between
 * them. The sizes are those of `src/model/layer.ts` on one of t tensor-parallel ranks.
 */
import { headSize, type TransformerConfig } from '../model/config.js';
import type { Recomputation } from '../train/recomputation.js';
import { elementBytes, type Machine, type Precision } from './machine.js';
import type { MatrixProduct, Work } from './operations.js';
import type { PlannedModel } from './model-sizes.js';
import { paddedFor } from './model-sizes.js';

type Kernels = Machine['software']['kernels'];

export interface WorkOptions {
  readonly microBatchSize: number;
  /** Tensor-parallel ranks. */
  readonly tensor: number;
  readonly precision: Precision;
  readonly kernels: Kernels;
}

/** The sizes of which everything else is made. */
interface Sizes {
  readonly config: TransformerConfig;
  /** Of the micro-batch. */
  readonly tokens: number;
  /** Of a sequence. */
  readonly length: number;
  /** Matrices of scores that a rank has in a layer. */
  readonly matrices: number;
  readonly fused: boolean;
  /** Widths of a rank's part: of the heads, the MLP and the vocabulary. */
  readonly part: number;
  readonly ffn: number;
  readonly words: number;
  /** Bytes of activations [tokens, width]: whole, a rank's part, the MLP's; of scores; and of dropout's masks. */
  readonly bytes: {
    readonly hidden: number;
    readonly part: number;
    readonly ffn: number;
    readonly scores: number;
    readonly hiddenMask: number;
    readonly scoresMask: number;
  };
}

function sizesOf(model: PlannedModel, { microBatchSize, tensor, precision, kernels }: WorkOptions): Sizes {
  const config = paddedFor(model, tensor);
  const { hidden_size: h, intermediate_size: f, num_attention_heads: a, vocab_size: V } = config;
  const length = model.sequenceLength;
  const tokens = microBatchSize * length;
  const matrices = (microBatchSize * a) / tensor;
  const element = elementBytes[precision];
  return {
    ...{ config, tokens, length, matrices },
    ...{ fused: kernels === 'fused', part: h / tensor, ffn: f / tensor, words: V / tensor },
    bytes: {
      hidden: element * tokens * h,
      part: (element * tokens * h) / tensor,
      ffn: (element * tokens * f) / tensor,
      scores: element * matrices * length ** 2,
      hiddenMask: tokens * h,
      scoresMask: matrices * length ** 2,
    },
  };
}

/** Bytes that a tensor-parallel all-reduce sums up: activations [batch, sequence, hidden]. */
export const reducedBytes = (model: PlannedModel, options: WorkOptions) =>
  sizesOf(model, options).bytes.hidden;

export function layerForward(model: PlannedModel, options: WorkOptions): Work {
  const sizes = sizesOf(model, options);
  const { config, tokens, part, ffn, fused, bytes } = sizes;
  const { hidden_size: h } = config;
  const core = attentionCore(sizes);
  const norm = 2 * bytes.hidden;
  const intoResidual = fused
    ? [3 * bytes.hidden + bytes.hiddenMask]
    : [2 * bytes.hidden, 2 * bytes.hidden + bytes.hiddenMask, 3 * bytes.hidden];
  return {
    products: [
      { rows: tokens, columns: 3 * part, depth: h },
      ...core.products,
      { rows: tokens, columns: h, depth: part },
      { rows: tokens, columns: ffn, depth: h },
      { rows: tokens, columns: h, depth: ffn },
    ],
    passes: [
      norm,
      // biases of queries, keys and values; their copies, head by head
      6 * bytes.part,
      ...(fused ? [] : [6 * bytes.part]),
      ...core.passes,
      2 * bytes.part,
      ...intoResidual,
      norm,
      // bias and GELU
      ...(fused ? [2 * bytes.ffn] : [2 * bytes.ffn, 2 * bytes.ffn]),
      ...intoResidual,
    ],
  };
}

/** Scores, softmax, dropout, and the sum of values: what selective recomputation computes again. */
function attentionCore({ config, length, matrices, fused, bytes }: Sizes): Work {
  const d = headSize(config);
  const softmax = 2 * bytes.scores;
  return {
    products: [
      { rows: length, columns: length, depth: d, count: matrices },
      { rows: length, columns: d, depth: length, count: matrices },
    ],
    passes: [
      // scaled, multiplied with the mask, and what is masked lowered
      ...(fused ? [] : [2 * bytes.scores, 2 * bytes.scores, 2 * bytes.scores]),
      softmax,
      2 * bytes.scores + bytes.scoresMask,
    ],
  };
}

/** Of each product two: for its input, and for its weight or other factor. */
const productGradients = (products: readonly MatrixProduct[]): MatrixProduct[] =>
  products.flatMap(({ rows, columns, depth, count = 1 }) => [
    { rows, columns: depth, depth: columns, count },
    { rows: depth, columns, depth: rows, count },
  ]);

/** Without what is computed again. */
export function layerBackward(model: PlannedModel, options: WorkOptions): Work {
  const sizes = sizesOf(model, options);
  const { fused, bytes } = sizes;
  // the gradient of the output, the input and the result; the gradient and the input again for the parameters
  const norm = 5 * bytes.hidden;
  // where a residual leaves, two gradients are added; dropout; the bias
  const outOfResidual = [3 * bytes.hidden, 2 * bytes.hidden + bytes.hiddenMask, bytes.hidden];
  return {
    products: productGradients(layerForward(model, options).products),
    passes: [
      ...outOfResidual,
      // GELU and the bias
      3 * bytes.ffn,
      bytes.ffn,
      norm,
      ...outOfResidual,
      2 * bytes.part,
      // dropout, softmax; mask and scale
      2 * bytes.scores + bytes.scoresMask,
      3 * bytes.scores,
      ...(fused ? [] : [2 * bytes.scores, 2 * bytes.scores]),
      // head by head, together, and the bias
      ...(fused ? [] : [6 * bytes.part]),
      6 * bytes.part,
      3 * bytes.part,
      norm,
    ],
  };
}

/** What the backward pass of a layer computes again before it begins. */
export function layerRecomputed(
  model: PlannedModel,
  options: WorkOptions,
  recomputation: Recomputation,
): Work {
  if (recomputation === 'full') return layerForward(model, options);
  if (recomputation === 'selective') return attentionCore(sizesOf(model, options));
  return { products: [], passes: [] };
}

/** Lookups, their sums, dropout. */
export function embeddingsForward(model: PlannedModel, options: WorkOptions): Work {
  const { bytes } = sizesOf(model, options);
  return { products: [], passes: [2 * bytes.hidden, 3 * bytes.hidden, 2 * bytes.hidden + bytes.hiddenMask] };
}

export function embeddingsBackward(model: PlannedModel, options: WorkOptions): Work {
  const { config, words, bytes } = sizesOf(model, options);
  const table = elementBytes[options.precision] * words * config.hidden_size;
  return { products: [], passes: [2 * bytes.hidden + bytes.hiddenMask, 3 * bytes.hidden, table] };
}

/** The last norm, BERT's own layer before the words, their scores and the loss. Scores are float32 from there on. */
export function headsForward(model: PlannedModel, options: WorkOptions): Work {
  const { config, tokens, words, bytes } = sizesOf(model, options);
  const { hidden_size: h } = config;
  const scores = tokens * words;
  const element = elementBytes[options.precision];
  const isBert = model.architecture === 'bert';
  return {
    products: [
      ...(isBert ? [{ rows: tokens, columns: h, depth: h }] : []),
      { rows: tokens, columns: words, depth: h },
    ],
    passes: [
      2 * bytes.hidden,
      ...(isBert ? [2 * bytes.hidden, 2 * bytes.hidden, 2 * element * scores] : []),
      // as float32; their largest; less that; e to them; their sum; divided by it
      (element + 4) * scores,
      4 * scores,
      8 * scores,
      8 * scores,
      4 * scores,
      8 * scores,
    ],
  };
}

export function headsBackward(model: PlannedModel, options: WorkOptions): Work {
  const { tokens, words, bytes } = sizesOf(model, options);
  const scores = tokens * words;
  const element = elementBytes[options.precision];
  const isBert = model.architecture === 'bert';
  return {
    products: productGradients(headsForward(model, options).products),
    passes: [
      8 * scores,
      (element + 4) * scores,
      ...(isBert ? [element * scores, 5 * bytes.hidden, 3 * bytes.hidden, bytes.hidden] : []),
      5 * bytes.hidden,
    ],
  };
}

/** Bytes that an update reads and writes for each parameter: Megatron-LM's steps, with Adam. */
export const updateBytes: Readonly<Record<Precision, number>> = {
  // gradients checked 10, to float32 6, unscaled 8, their norm 4, clipped 8, Adam 28, weights to 16 bits 6
  fp16: 70,
  // their norm 4, clipped 8, Adam 28
  fp32: 40,
};

/** For each parameter tensor where kernels are separate: those of these steps, and numbers that the host waits for. */
export const updateLaunches = 8;
export const updateReadings = 2;

/**
 * Times that random numbers' state goes to the host or back in a layer: its dropout of attention has one of its own, put
 * in the place of the other and back, twice two; what computes again keeps the state of forward (Megatron-LM 2019,
 * mpu/random.py).
 */
export function stateCopies(recomputation: Recomputation): Readonly<Record<'forward' | 'backward', number>> {
  const dropout = 4;
  return recomputation === 'none'
    ? { forward: dropout, backward: 0 }
    : { forward: dropout + 1, backward: 3 + dropout };
}
