/** How each optimizer changes a parameter p, given its gradient g. */
import type { AdamOptions, Engine, TrainedParameter } from '../engine/engine.js';

/** What an update goes by; `weightDecay` is 0 for a parameter that does not decay. */
export interface UpdateOptions extends AdamOptions {
  readonly learningRate: number;
  /** How much of the last step is in the next. */
  readonly momentum: number;
  /** Whether it is a weight, whose norm LAMB goes by, and no bias or layer norm. */
  readonly decays: boolean;
  /** Sums over the ranks that update other numbers of the same parameter. */
  readonly sum: (numbers: Float32Array) => void | Promise<void>;
}

export interface Optimizer {
  /** What is kept of each parameter, zero at first, by PyTorch's names. */
  readonly moments: readonly string[];
  /** Ranks that share a model update the same parameters in the same order. The gradient may be written over. */
  update(engine: Engine, parameter: TrainedParameter, options: UpdateOptions): Promise<void>;
}

const adamMoments = ['exp_avg', 'exp_avg_sq'];

export const optimizers = {
  /** Loshchilov & Hutter, arXiv 1711.05101: `torch.optim.AdamW`, and what Megatron-LM calls adam. */
  adamw: {
    moments: adamMoments,
    update: (engine, parameter, options) => engine.adam(parameter, options, options.learningRate),
  },
  /** Kingma & Ba, arXiv 1412.6980, weight decay being part of the gradient: `torch.optim.Adam`. */
  'adam-l2': {
    moments: adamMoments,
    async update(engine, parameter, options) {
      const { value: p, gradient: g } = parameter;
      await engine.linearCombination(options.gradientScale, g, options.weightDecay, p); // g ← g + λp
      await engine.adam(parameter, { ...options, gradientScale: 1, weightDecay: 0 }, options.learningRate);
    },
  },
  /** With momentum, weight decay being part of the gradient: `torch.optim.SGD`. */
  sgd: {
    moments: ['momentum_buffer'],
    async update(engine, { value: p, gradient: g, moments }, options) {
      const m = moments[0]!;
      await engine.linearCombination(options.gradientScale, g, options.weightDecay, p); // g ← g + λp
      await engine.linearCombination(options.momentum, m, 1, g); //                        m ← μm + g
      await engine.linearCombination(1, p, -options.learningRate, m); //                   p ← p - ηm
    },
  },
  /**
   * You et al., arXiv 1904.00962, algorithm 2, as apex's `FusedLAMB` has it by default: a weight moves by a share of
   * its norm, what does not decay (biases, layer norms) as in AdamW.
   */
  lamb: {
    moments: adamMoments,
    async update(engine, parameter, options) {
      const { value: p, gradient: d } = parameter;
      await engine.adamDirection(parameter, options); // d = m̂ / (√v̂ + ε) + λp
      const ratio = options.decays ? await trustRatio(engine, parameter, options) : 1;
      await engine.linearCombination(1, p, -options.learningRate * ratio, d); // p ← p - ηrd
    },
  },
} satisfies Readonly<Record<string, Optimizer>>;

export type OptimizerName = keyof typeof optimizers;

/** ‖p‖ / ‖d‖ of the whole tensors, of which this rank may hold a part; 1 where either is zero. */
async function trustRatio(
  engine: Engine,
  { value: p, gradient: d }: TrainedParameter,
  { sum }: UpdateOptions,
): Promise<number> {
  const squares = Float32Array.of(await engine.sumOfSquares(p), await engine.sumOfSquares(d));
  await sum(squares);
  const ratio = Math.sqrt(squares[0]! / squares[1]!);
  return ratio > 0 && ratio < Infinity ? ratio : 1;
}
