import { InputError } from '../errors.js';
import type { TransformerConfig } from '../model/config.js';
import { beamSearch } from './beam-search.js';
import { decode } from './decode.js';
import { resolveOptions, type GenerationOptions } from './options.js';
import { createStepper, type NextTokenModel } from './stepper.js';

export interface GenerationInputs {
  /** Prompts of one length: shorter ones are padded on the left. */
  readonly input_ids: readonly (readonly number[])[];
  /** 1 for a token, 0 for padding; all ones by default. */
  readonly attention_mask?: readonly (readonly number[])[];
}

export interface Generated {
  /** Prompts with their continuations, padded on the right to one length; `num_return_sequences` for each prompt. */
  readonly sequences: readonly (readonly number[])[];
  /** Of beams: the mean log probability, by `length_penalty`. */
  readonly sequences_scores?: readonly number[];
}

/** transformers' `generate` for a causal language model. @throws InputError naming the option or input */
export async function generate(
  model: NextTokenModel,
  config: TransformerConfig,
  { input_ids, attention_mask }: GenerationInputs,
  options: GenerationOptions = {},
): Promise<Generated> {
  const length = input_ids[0]?.length ?? 0;
  const masks = attention_mask ?? input_ids.map((tokens) => tokens.map(() => 1));
  if (length === 0) throw new InputError('input_ids: expected at least one token, found none');
  if ([...input_ids, ...masks].some((row) => row.length !== length) || masks.length !== input_ids.length)
    throw new InputError('input_ids and attention_mask: expected prompts of one length, padded on the left');
  if (masks.some((mask) => mask.at(-1) !== 1))
    throw new InputError('attention_mask: expected padding on the left, found a prompt that ends with it');
  const settings = resolveOptions(options, config, length);
  const step = createStepper(model, masks, config, settings.useCache && config.is_decoder, settings.signal);
  if (settings.beams === 1) return { sequences: await decode(step, input_ids, settings) };
  const { sequences, scores } = await beamSearch(step, input_ids, settings);
  return { sequences, sequences_scores: scores };
}
