/** How Megatron-LM's models were fine-tuned for benchmarks, as transformers' arguments. */
import { InputError } from '../../errors.js';
import type { TrainingArguments } from '../../train/fine-tuning/arguments.js';
import { publishedFineTuning, type Benchmark } from './published.js';

/** Of Megatron-LM's examples/finetune_mnli_distributed.sh; the paper is silent on both, and others have no script. */
const warmupRatio = 0.065;
const weightDecay = 0.1;
/** Of its examples/finetune_race_distributed.sh. */
const raceWarmup = 0.06;

/** Texts that are computed at once. */
const mostTexts = 16;

export interface TunedModel {
  readonly parameters: number;
  /** Texts of an example. */
  readonly choices: number;
  readonly dataRanks: number;
}

export interface PublishedArguments {
  /** Those that were not given. */
  readonly arguments: TrainingArguments;
  /** Where they are from. */
  readonly source: string;
}

/**
 * The arguments of the published model that is nearest in size.
 *
 * @throws InputError where data ranks, or what was given, do not divide the published batch
 */
export function publishedArguments(
  benchmark: Benchmark,
  model: TunedModel,
  given: TrainingArguments,
): PublishedArguments {
  const distance = (name: string) => Math.abs(Math.log(parametersOf(name) / model.parameters));
  const nearest = publishedFineTuning
    .filter((row) => row.benchmark === benchmark)
    .reduce((best, row) => (distance(row.model) < distance(best.model) ? row : best));
  const { max_steps = -1, warmup_steps } = given;
  const all: TrainingArguments = {
    learning_rate: nearest.learningRate,
    ...(max_steps <= 0 && { num_train_epochs: nearest.epochs }),
    ...batchShares(nearest.batchSize, model, given),
    ...(warmup_steps === undefined && { warmup_ratio: benchmark === 'race' ? raceWarmup : warmupRatio }),
    weight_decay: weightDecay,
  };
  return {
    arguments: Object.fromEntries(Object.entries(all).filter(([name]) => !(name in given))),
    source: `${nearest.source} (Megatron ${nearest.model}), and Megatron-LM's scripts`,
  };
}

/** Of "336M" or "1.3B". */
const parametersOf = (model: string) => parseFloat(model) * (model.endsWith('B') ? 1e9 : 1e6);

/** What each rank takes of a batch, in as few parts as fit. */
function batchShares(
  batchSize: number,
  { choices, dataRanks }: TunedModel,
  { per_device_train_batch_size: size, gradient_accumulation_steps: steps }: TrainingArguments,
): TrainingArguments {
  if (size !== undefined && steps !== undefined) return {};
  const share = batchSize / dataRanks / (size ?? steps ?? 1);
  if (!Number.isInteger(share))
    throw new InputError(
      `the published batch of ${batchSize} examples: expected ${dataRanks} data-parallel ranks${size ? ` of ${size} examples` : ''}${steps ? ` and ${steps} steps` : ''} to divide it: give both per_device_train_batch_size and gradient_accumulation_steps`,
    );
  if (size !== undefined) return { gradient_accumulation_steps: share };
  if (steps !== undefined) return { per_device_train_batch_size: share };
  let atOnce = Math.min(share, Math.max(1, Math.floor(mostTexts / choices)));
  while (share % atOnce !== 0) atOnce--;
  return { per_device_train_batch_size: atOnce, gradient_accumulation_steps: share / atOnce };
}
