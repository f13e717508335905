import type { AdamWOptions, Engine } from '../engine/engine.js';
import type { Communicator } from '../parallel/communicator.js';
import type { OwnParameters } from './parameters.js';

export interface OptimizerOptions extends Pick<AdamWOptions, 'beta1' | 'beta2' | 'epsilon' | 'weightDecay'> {
  /** The greatest norm that the gradient may have; 0 for any. */
  readonly clipGradient: number;
}

export const defaultOptimizer: OptimizerOptions = {
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.01,
  clipGradient: 1,
};

/** Norm of the whole model's gradient. Every element counts once: what all ranks hold, on the first only. */
export async function gradientNorm(
  engine: Engine,
  parameters: OwnParameters,
  communicator: Communicator,
): Promise<number> {
  let squares = 0;
  for (const { declaration, gradient } of parameters.values())
    if (declaration.partition !== undefined || communicator.rank === 0)
      squares += await engine.sumOfSquares(gradient);
  const total = Float32Array.of(squares);
  await communicator.allReduce(total, 'sum');
  return Math.sqrt(total[0]!);
}

/**
 * Clips the gradient and updates every parameter (Megatron-LM's AdamW: biases and layer norms do not decay).
 *
 * @param step number of the update, from 1
 * @returns the gradient's norm before clipping; where it is not finite, nothing was updated
 */
export async function updateParameters(
  engine: Engine,
  parameters: OwnParameters,
  communicator: Communicator,
  options: OptimizerOptions,
  step: number,
  learningRate: number,
): Promise<number> {
  const norm = await gradientNorm(engine, parameters, communicator);
  if (!Number.isFinite(norm)) return norm;
  const { clipGradient, weightDecay } = options;
  const gradientScale = clipGradient > 0 ? Math.min(1, clipGradient / (norm + 1e-6)) : 1;
  for (const parameter of parameters.values())
    await engine.adamW(parameter, {
      ...options,
      step,
      learningRate,
      gradientScale,
      weightDecay: parameter.declaration.decays ? weightDecay : 0,
    });
  return norm;
}
