/** transformers' `TrainingArguments`, by the same names and with the same defaults but where it says otherwise. */
import { InputError, shown } from '../../errors.js';
import { resolveOptimizer } from '../optimizer.js';
import type { TrainingPlan } from './fine-tune-rank.js';
import { samplingStrategies, stepsPerEpoch, type SamplingStrategy } from './sampling.js';

export const schedulerTypes = ['linear', 'cosine', 'constant', 'constant_with_warmup'] as const;
export const intervalStrategies = ['no', 'steps', 'epoch'] as const;
export type IntervalStrategy = (typeof intervalStrategies)[number];

export interface TrainingArguments {
  /** Passes over the examples, maybe a fraction; 3 by default. */
  readonly num_train_epochs?: number;
  /** Updates, whatever the epochs are. */
  readonly max_steps?: number;
  /** 5e-5 by default. */
  readonly learning_rate?: number;
  /** 8 by default. */
  readonly per_device_train_batch_size?: number;
  /** 8 by default. */
  readonly per_device_eval_batch_size?: number;
  /** Micro-batches of each rank that make an update; 1 by default. */
  readonly gradient_accumulation_steps?: number;
  readonly lr_scheduler_type?: (typeof schedulerTypes)[number];
  readonly warmup_steps?: number;
  /** Of all updates, where there are no warm-up steps. */
  readonly warmup_ratio?: number;
  readonly weight_decay?: number;
  readonly adam_beta1?: number;
  readonly adam_beta2?: number;
  readonly adam_epsilon?: number;
  /** 1 by default; 0 for any. */
  readonly max_grad_norm?: number;
  /** Not of question answering, as there. */
  readonly label_smoothing_factor?: number;
  /** Each epoch by default, where there is anything to evaluate on. */
  readonly eval_strategy?: IntervalStrategy;
  /** As often as is logged, by default. */
  readonly eval_steps?: number;
  /** 500 by default. */
  readonly logging_steps?: number;
  /** Each epoch by default. */
  readonly save_strategy?: IntervalStrategy;
  /** 500 by default. */
  readonly save_steps?: number;
  /** The newest checkpoints that are kept, besides the best; 2 by default. */
  readonly save_total_limit?: number;
  /** Whether the run ends with the best model, and not the last; where there are evaluations and checkpoints alike. */
  readonly load_best_model_at_end?: boolean;
  /** `loss`, or a metric of the task, which has one by default. */
  readonly metric_for_best_model?: string;
  readonly greater_is_better?: boolean;
  /** Evaluations in a row that are no better, after which the run ends. */
  readonly early_stopping_patience?: number;
  readonly early_stopping_threshold?: number;
  /** 42 by default. */
  readonly seed?: number;
  /** In which order examples come; random by default. */
  readonly train_sampling_strategy?: SamplingStrategy;
  /** Computes what layers keep for the backward pass again. */
  readonly gradient_checkpointing?: boolean;
}

export interface RunSizes {
  /** To train on. */
  readonly examples: number;
  readonly hasEvaluation: boolean;
  readonly dataRanks: number;
  readonly mainMetric: { readonly name: string; readonly isGreater: boolean };
}

/** @throws InputError naming the argument that cannot be used */
export function resolveArguments(given: TrainingArguments, sizes: RunSizes): TrainingPlan {
  checkNumbers(given);
  const microBatchSize = given.per_device_train_batch_size ?? 8;
  const microBatches = (given.gradient_accumulation_steps ?? 1) * sizes.dataRanks;
  const seed = given.seed ?? 42;
  const strategy = oneOf(
    'train_sampling_strategy',
    given.train_sampling_strategy ?? 'random',
    samplingStrategies,
  );
  const perEpoch = stepsPerEpoch(sizes.examples, { microBatchSize, microBatches });
  const { num_train_epochs = 3, max_steps } = given;
  const isCounted = max_steps !== undefined && max_steps > 0;
  const maxSteps = isCounted ? max_steps : Math.max(1, Math.ceil(num_train_epochs * perEpoch));
  const scheduler = oneOf('lr_scheduler_type', given.lr_scheduler_type ?? 'linear', schedulerTypes);
  const ratio = scheduler === 'constant' ? 0 : (given.warmup_ratio ?? 0);
  const warmup = given.warmup_steps ?? 0;
  const loggingSteps = given.logging_steps ?? 500;
  const intervalOf = (name: 'eval' | 'save', isPossible: boolean): number => {
    const strategy = oneOf(
      `${name}_strategy`,
      given[`${name}_strategy`] ?? (isPossible ? 'epoch' : 'no'),
      intervalStrategies,
    );
    if (strategy === 'no') return Infinity;
    if (!isPossible)
      throw new InputError(
        `${name}_strategy: expected no, as there is nothing to evaluate on, found ${strategy}`,
      );
    return strategy === 'epoch'
      ? perEpoch
      : (given[`${name}_steps`] ?? (name === 'eval' ? loggingSteps : 500));
  };
  const evaluationSteps = intervalOf('eval', sizes.hasEvaluation);
  const saveSteps = intervalOf('save', true);
  const areTogether = evaluationSteps < Infinity && saveSteps % evaluationSteps === 0;
  const isLoaded = given.load_best_model_at_end ?? areTogether;
  if (isLoaded && !areTogether)
    throw new InputError(
      'load_best_model_at_end: expected checkpoints of which each was evaluated, found others: choose eval_strategy and save_strategy alike',
    );
  const patience = given.early_stopping_patience ?? Infinity;
  if (patience < Infinity && evaluationSteps === Infinity)
    throw new InputError('early_stopping_patience: expected evaluations, found eval_strategy no');
  return {
    sampling: { strategy, seed, microBatchSize, microBatches },
    maxSteps,
    epochs: isCounted ? Math.ceil(maxSteps / perEpoch) : num_train_epochs,
    stepsPerEpoch: perEpoch,
    optimizer: resolveOptimizer({
      beta1: given.adam_beta1 ?? 0.9,
      beta2: given.adam_beta2 ?? 0.999,
      epsilon: given.adam_epsilon ?? 1e-8,
      weightDecay: given.weight_decay ?? 0,
      clipGradient: given.max_grad_norm ?? 1,
    }),
    schedule: {
      learningRate: given.learning_rate ?? 5e-5,
      minLearningRate: 0,
      warmupIterations: warmup > 0 ? warmup : Math.ceil(maxSteps * ratio),
      decayIterations: maxSteps,
      decayStyle: scheduler === 'constant_with_warmup' ? 'constant' : scheduler,
    },
    recomputeActivations: given.gradient_checkpointing ? 'full' : 'none',
    loggingSteps,
    evaluationSteps,
    saveSteps,
    keepCheckpoints: given.save_total_limit ?? 2,
    ...(evaluationSteps < Infinity && { best: bestBy(given, sizes.mainMetric, isLoaded) }),
    patience,
    patienceThreshold: given.early_stopping_threshold ?? 0,
    seed,
  };
}

function bestBy(
  { metric_for_best_model, greater_is_better }: TrainingArguments,
  main: RunSizes['mainMetric'],
  isLoaded: boolean,
) {
  const name = metric_for_best_model ?? main.name;
  const isGreater = name === main.name ? main.isGreater : !/loss$|^perplexity$/.test(name);
  return {
    // transformers' scripts give the perplexity no prefix
    metric: /^eval_|^perplexity$/.test(name) ? name : `eval_${name}`,
    isGreater: greater_is_better ?? isGreater,
    isLoaded,
  };
}

function checkNumbers(given: TrainingArguments): void {
  const check = (
    names: readonly (keyof TrainingArguments)[],
    expected: string,
    holds: (x: number) => boolean,
  ) => {
    for (const name of names) {
      const value = given[name];
      if (value !== undefined && !(typeof value === 'number' && holds(value)))
        throw new InputError(`${name}: expected ${expected}, found ${shown(value)}`);
    }
  };
  check(
    [
      'per_device_train_batch_size',
      'per_device_eval_batch_size',
      'gradient_accumulation_steps',
      'eval_steps',
      'logging_steps',
      'save_steps',
      'save_total_limit',
      'early_stopping_patience',
    ],
    'a positive integer',
    (x) => Number.isInteger(x) && x > 0,
  );
  check(['num_train_epochs'], 'a number above 0', (x) => x > 0 && x < Infinity);
  check(['max_steps', 'seed'], 'an integer', Number.isSafeInteger);
  check(
    ['learning_rate', 'warmup_steps', 'weight_decay', 'max_grad_norm', 'early_stopping_threshold'],
    'a number of 0 or more',
    (x) => x >= 0 && x < Infinity,
  );
  check(['warmup_ratio', 'label_smoothing_factor'], 'a number from 0 to less than 1', (x) => x >= 0 && x < 1);
}

function oneOf<Value extends string>(name: string, value: string, allowed: readonly Value[]): Value {
  if (!allowed.includes(value as Value))
    throw new InputError(`${name}: expected ${allowed.join(', ')}, found ${shown(value)}`);
  return value as Value;
}
