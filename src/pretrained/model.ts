import type { FloatWeight, HostTensor, Int8Weight, LoadedProgram } from '../engine/engine.js';
import { InputError } from '../errors.js';
import { architectures, type ArchitectureName } from '../model/architectures.js';
import type { TransformerConfig } from '../model/config.js';
import type { Given } from '../model/inputs.js';
import { flattenParameters, type Parameter, type ParameterTree } from '../model/parameters.js';
import type { Computer } from './computer.js';
import { problemType } from './labels.js';
import { prepareInputs, type AnyInputs } from './model-inputs.js';
import { collectOutputs, type AnyOutputs } from './model-outputs.js';
import type { Wanted } from './model-programs.js';

export interface ForwardOptions {
  /** The embeddings, each layer's output and, last, the final layer norm's. */
  readonly output_hidden_states?: boolean;
  /** Each layer's attention probabilities. */
  readonly output_attentions?: boolean;
  /** Of a decoder: keys and values for the next tokens. */
  readonly use_cache?: boolean;
  /** Stops the computation. */
  readonly signal?: AbortSignal;
}

/** A class of model with its configuration and weights, and the programs that calls have needed so far. */
export interface LoadedModel {
  readonly architecture: ArchitectureName;
  config: TransformerConfig;
  readonly computer: Computer;
  /** Among ranks. */
  readonly isDivided: boolean;
  readonly weights: Map<string, FloatWeight>;
  /** 8-bit forms of some of the weights, which take their place in products. */
  readonly quantized: Map<string, Int8Weight>;
  readonly programs: Map<string, Promise<LoadedProgram>>;
  readonly readValues: (weight: FloatWeight) => Promise<Float32Array>;
  readonly addPoolingLayer: boolean;
}

/** The parameters of a model's class, by state-dict name. */
export function modelParameters({
  architecture,
  config,
  addPoolingLayer,
}: Pick<LoadedModel, 'architecture' | 'config' | 'addPoolingLayer'>): Map<string, Parameter> {
  const tree: ParameterTree = architectures[architecture].parameters(config);
  const all = flattenParameters(tree);
  return new Map(addPoolingLayer ? all : all.filter(([name]) => !name.startsWith('pooler.')));
}

/** transformers' outputs of a class, by its names. @throws InputError naming the input that cannot be used */
export async function forward(
  model: LoadedModel,
  inputs: AnyInputs,
  options: ForwardOptions = {},
): Promise<AnyOutputs> {
  const { labels } = inputs as { labels?: unknown };
  if (model.architecture.endsWith('ForSequenceClassification') && labels)
    model.config = { ...model.config, problem_type: problemType(model.config, labels as never) };
  const { config } = model;
  const { tensors, given } = prepareInputs(architectures[model.architecture], config, inputs);
  const wanted: Wanted = {
    hidden_states: options.output_hidden_states ?? config.output_hidden_states,
    attentions: options.output_attentions ?? config.output_attentions,
    past_key_values:
      config.is_decoder &&
      cachingClasses.includes(model.architecture) &&
      !labels &&
      (options.use_cache ?? config.use_cache),
    pooler_output: model.addPoolingLayer,
  };
  const program = await programFor(model, given, wanted);
  const results = await program.run(tensors, options.signal);
  await checkNumbers(model, inputs, results);
  return collectOutputs(results);
}

const cachingClasses: readonly ArchitectureName[] = [
  'MegatronBertModel',
  'MegatronBertForCausalLM',
  'GPT2Model',
  'GPT2LMHeadModel',
];

/** Frees what calls have needed so far; the next ones make it anew. */
export async function releasePrograms({ programs }: LoadedModel): Promise<void> {
  const loaded = [...programs.values()];
  programs.clear();
  for (const program of await Promise.allSettled(loaded))
    if (program.status === 'fulfilled') program.value.release();
}

function programFor(model: LoadedModel, given: Given, wanted: Wanted): Promise<LoadedProgram> {
  const key = JSON.stringify([
    [...given.names].sort(),
    [...given.queryMasks],
    wanted,
    model.config.problem_type,
  ]);
  const known = model.programs.get(key);
  if (known) return known;
  const program = model.computer.load(model, { given, wanted });
  model.programs.set(key, program);
  program.catch(() => model.programs.delete(key));
  return program;
}

/**
 * NaN spreads from a weight to all that is computed with it, so that each text's first number tells.
 *
 * @throws InputError naming the weight
 */
async function checkNumbers(
  { weights, readValues }: LoadedModel,
  inputs: AnyInputs,
  results: Readonly<Record<string, HostTensor>>,
): Promise<void> {
  for (const [name, { dims, data }] of Object.entries(results)) {
    if (name === 'loss') continue;
    const stride = data.length / (dims[0] ?? 1);
    for (let i = 0; i < data.length; i += stride)
      if (Number.isNaN(data[i])) {
        for (const [weight, value] of weights)
          if ((await readValues(value)).some(Number.isNaN))
            throw new InputError(`the weight ${weight} has a NaN`);
        if (!inputs.inputs_embeds && !inputs.encoder_hidden_states)
          throw new InputError(`${name} has a NaN, though no weight has: the numbers grew too large`);
        return;
      }
  }
}
