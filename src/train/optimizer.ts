import type { Engine } from '../engine/engine.js';
import { InputError, shown } from '../errors.js';
import type { Ranks } from '../parallel/ranks.js';
import { optimizers, type OptimizerName } from './optimizers.js';
import type { AllocatedParameters, Bucket } from './parameters.js';

export interface OptimizerOptions {
  readonly optimizer: OptimizerName;
  /** Decay of Adam's and LAMB's first moment. */
  readonly beta1: number;
  /** Decay of Adam's and LAMB's second moment. */
  readonly beta2: number;
  /** What Adam and LAMB add to the root of the second moment. */
  readonly epsilon: number;
  /** Of SGD. */
  readonly momentum: number;
  /** Of weights and embeddings, not of biases and layer norms. */
  readonly weightDecay: number;
  /** The greatest norm that the gradient may have; 0 for any. */
  readonly clipGradient: number;
}

export const defaultOptimizer: OptimizerOptions = {
  optimizer: 'adamw',
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  momentum: 0.9,
  weightDecay: 0.01,
  clipGradient: 1,
};

/** Megatron-LM's name of AdamW is one too. */
export const optimizerNames = ['adam', ...(Object.keys(optimizers) as OptimizerName[])] as const;

export interface OptimizerChoice extends Partial<Omit<OptimizerOptions, 'optimizer'>> {
  /** AdamW by default, which Megatron-LM calls adam. */
  readonly optimizer?: (typeof optimizerNames)[number];
}

/** @throws InputError naming what cannot be used */
export function resolveOptimizer(choice: OptimizerChoice): OptimizerOptions {
  const given = choice.optimizer ?? defaultOptimizer.optimizer;
  if (!optimizerNames.includes(given))
    throw new InputError(`optimizer: expected ${optimizerNames.join(', ')}, found ${shown(given)}`);
  const optimizer = given === 'adam' ? 'adamw' : given;
  const {
    beta1 = defaultOptimizer.beta1,
    beta2 = defaultOptimizer.beta2,
    // the paper's, and apex's
    epsilon = optimizer === 'lamb' ? 1e-6 : defaultOptimizer.epsilon,
    momentum = defaultOptimizer.momentum,
    weightDecay = defaultOptimizer.weightDecay,
    clipGradient = defaultOptimizer.clipGradient,
  } = choice;
  for (const [name, value] of Object.entries({ beta1, beta2, momentum }))
    if (!(value >= 0 && value < 1))
      throw new InputError(`${name}: expected a number from 0 to less than 1, found ${value}`);
  for (const [name, value] of Object.entries({ epsilon, weightDecay, clipGradient }))
    if (!(value >= 0 && value < Infinity))
      throw new InputError(`${name}: expected a number of 0 or more, found ${value}`);
  return { optimizer, beta1, beta2, epsilon, momentum, weightDecay, clipGradient };
}

/**
 * Norm of the whole model's gradient. Every element counts once: what all tensor ranks hold, on the first only, and what
 * the last stage has of the first one's, there only.
 */
export async function gradientNorm(
  engine: Engine,
  { parameters, buckets }: AllocatedParameters,
  { place, groups }: Ranks,
  isTied: (name: string) => boolean,
): Promise<number> {
  let squares = 0;
  for (const [name, { declaration, updated }] of parameters)
    if (
      updated &&
      (declaration.partition !== undefined || place.tensor === 0) &&
      (place.pipeline === 0 || !isTied(name))
    )
      squares += await engine.sumOfSquares(updated.gradient);
  const total = Float32Array.of(squares);
  await (isShared(buckets) ? groups.world : groups.model).allReduce(total, 'sum');
  return Math.sqrt(total[0]!);
}

/**
 * Clips the gradient and updates every parameter; where data ranks share the work, each gets what the others updated.
 *
 * @param norm of the gradient, before clipping
 * @param step number of the update, from 1
 * @param learningRateOf each parameter's, by its name
 */
export async function updateParameters(
  engine: Engine,
  { parameters, buckets }: AllocatedParameters,
  { groups }: Ranks,
  options: OptimizerOptions,
  norm: number,
  step: number,
  learningRateOf: (name: string) => number,
): Promise<void> {
  const { optimizer, clipGradient, weightDecay } = options;
  const gradientScale = clipGradient > 0 ? Math.min(1, clipGradient / (norm + 1e-6)) : 1;
  for (const [name, { declaration, updated }] of parameters) {
    if (!updated) continue;
    const { decays, partition } = declaration;
    await optimizers[optimizer].update(engine, updated, {
      ...options,
      step,
      learningRate: learningRateOf(name),
      gradientScale,
      decays,
      weightDecay: decays ? weightDecay : 0,
      sum: async (numbers) => {
        if (partition !== undefined) await groups.tensor.allReduce(numbers, 'sum');
        if (isShared(buckets)) await groups.data.allReduce(numbers, 'sum');
      },
    });
  }
  for (const { values, share } of buckets)
    if (share) await engine.group('data').allGather(share.values, values);
}

const isShared = ([first]: readonly Bucket[]) => first?.share !== undefined;
