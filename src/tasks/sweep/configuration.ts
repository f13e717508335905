/** What a sweep goes through, by the names of Weights & Biases' sweep configurations. */
import path from 'node:path';
import { z } from 'zod';
import { largestConfig, readJsonObject } from '../../checkpoint/json-file.js';
import { InputError, shown } from '../../errors.js';
import { parseFields, requireAll } from '../../model/config.js';
import { schedulerTypes } from '../../train/fine-tuning/arguments.js';
import { samplingStrategies } from '../../train/fine-tuning/sampling.js';

const number = z.number();
const integer = z.int();

/** Options that a run may have others of, as the command line names them, and what their values are. */
const parameterTypes = {
  learning_rate: number,
  num_train_epochs: number,
  max_steps: integer,
  per_device_train_batch_size: integer,
  gradient_accumulation_steps: integer,
  lr_scheduler_type: z.enum(schedulerTypes),
  warmup_steps: integer,
  warmup_ratio: number,
  weight_decay: number,
  adam_beta1: number,
  adam_beta2: number,
  adam_epsilon: number,
  max_grad_norm: number,
  label_smoothing_factor: number,
  layerwise_lr_decay: number,
  freeze_embeddings: z.boolean(),
  freeze_layers: integer,
  head_only: z.boolean(),
  lora_r: integer,
  lora_alpha: number,
  lora_dropout: number,
  hidden_dropout_prob: number,
  attention_probs_dropout_prob: number,
  max_seq_length: integer,
  doc_stride: integer,
  train_sampling_strategy: z.enum(samplingStrategies),
  seed: integer,
} as const satisfies Readonly<Record<string, z.ZodType<ParameterValue>>>;

export type ParameterName = keyof typeof parameterTypes;
export type ParameterValue = number | string | boolean;
/** Of a run. */
export type RunParameters = Readonly<Record<string, ParameterValue>>;

const distributions = ['uniform', 'log_uniform', 'int_uniform'] as const;

export interface ParameterValues {
  readonly values: readonly ParameterValue[];
}

export interface ParameterRange {
  readonly min: number;
  /** Included. */
  readonly max: number;
  /** Of numbers, of their logarithms, or of integers; uniform by default. */
  readonly distribution?: (typeof distributions)[number];
}

export interface SweepConfiguration {
  /** Every combination of values, the last parameter's changing first, or such as are drawn. */
  readonly method: 'grid' | 'random';
  readonly parameters: Readonly<Partial<Record<ParameterName, ParameterValues | ParameterRange>>>;
  /** After so many runs, or minutes that they took, no other begins. */
  readonly budget?: { readonly runs?: number; readonly minutes?: number };
  /** Of what is drawn; 42 by default. */
  readonly seed?: number;
}

export type Choice = ParameterValues | Required<ParameterRange>;

/** With what is so by default. */
export interface Sweep extends Required<Omit<SweepConfiguration, 'parameters'>> {
  readonly parameters: Readonly<Record<string, Choice>>;
}

const schema = z.strictObject({
  method: z.enum(['grid', 'random']),
  parameters: z.record(z.string(), z.record(z.string(), z.unknown())),
  budget: z
    .strictObject({
      runs: z.int().positive().exactOptional(),
      minutes: z.number().positive().exactOptional(),
    })
    .default({}),
  seed: z.int().default(42),
});

const range = z.strictObject({
  min: number,
  max: number,
  distribution: z.enum(distributions).default('uniform'),
});

/**
 * @param given a JSON file, or what would be in it
 * @throws InputError naming the key, what was expected and what was found
 */
export async function readSweep(given: SweepConfiguration | string): Promise<Sweep> {
  const source = typeof given === 'string' ? given : 'sweep';
  const fields = typeof given === 'string' ? await readJsonObject(path.resolve(given), largestConfig) : given;
  const { method, parameters, budget, seed } = parseFields(schema, fields, source);
  const names = Object.keys(parameters);
  if (names.length === 0) throw new InputError(`${source}: parameters: expected at least one, found none`);
  const choices = names.map((name) => [
    name,
    choiceOf(name, parameters[name]!, `${source}: parameters: ${name}`),
  ]);
  const sweep: Sweep = {
    method,
    parameters: Object.fromEntries(choices) as Sweep['parameters'],
    budget,
    seed,
  };
  const ranged = names.find((name) => !('values' in sweep.parameters[name]!));
  requireAll(source, [
    [
      method === 'random' || ranged === undefined,
      `parameters: ${ranged}: expected values, as the method is grid, found ${shown(parameters[ranged!])}`,
    ],
    [
      combinationCount(sweep) < Infinity || Object.keys(budget).length > 0,
      'budget: expected runs or minutes, as numbers that are drawn have no end, found neither',
    ],
  ]);
  return sweep;
}

function choiceOf(name: string, given: Readonly<Record<string, unknown>>, source: string): Choice {
  if (!Object.hasOwn(parameterTypes, name))
    throw new InputError(
      `${source}: expected one of ${Object.keys(parameterTypes).join(', ')}, found ${shown(name)}`,
    );
  const type = parameterTypes[name as ParameterName];
  const isNumber = type === number || type === integer;
  if ('values' in given || !isNumber) {
    const { values } = parseFields(
      z.strictObject({ values: z.array<z.ZodType<ParameterValue>>(type).min(1) }),
      given,
      source,
    );
    requireAll(source, [
      [new Set(values).size === values.length, `values: expected each once, found ${shown(values)}`],
    ]);
    return { values };
  }
  const parsed = parseFields(range, given, source);
  const { min, max, distribution } = parsed;
  requireAll(source, [
    [min < max, `min: expected less than max, which is ${max}, found ${min}`],
    [
      distribution !== 'log_uniform' || min > 0,
      `min: expected a number above 0 for log_uniform, found ${min}`,
    ],
    [
      distribution !== 'int_uniform' || [min, max].every(Number.isSafeInteger),
      `min, max: expected integers for int_uniform, found ${min}, ${max}`,
    ],
    [
      type !== integer || distribution === 'int_uniform',
      `distribution: expected int_uniform, as it is an integer, found ${distribution}`,
    ],
  ]);
  return parsed;
}

/** How many runs would differ. */
export const combinationCount = ({ parameters }: Sweep): number =>
  Object.values(parameters).reduce((product, choice) => product * countOf(choice), 1);

const countOf = (choice: Choice): number => {
  if ('values' in choice) return choice.values.length;
  return choice.distribution === 'int_uniform' ? choice.max - choice.min + 1 : Infinity;
};
