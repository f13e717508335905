import { InputError } from '../errors.js';
import type { TransformerConfig } from '../model/config.js';

/** transformers' `GenerationConfig`, by its names and with its defaults. */
export interface GenerationOptions {
  /** Tokens of prompt and continuation together; 20 by default. */
  readonly max_length?: number;
  /** Tokens of the continuation; takes the place of `max_length`. */
  readonly max_new_tokens?: number | null;
  /** No end token before so many tokens, with the prompt or without it. */
  readonly min_length?: number;
  readonly min_new_tokens?: number;
  /** Draws tokens by their probabilities instead of taking the likeliest. */
  readonly do_sample?: boolean;
  /** What draws are made from; the same seed gives the same tokens. */
  readonly seed?: number;
  readonly temperature?: number;
  /** Draws among so many of the likeliest tokens; 0 for all. */
  readonly top_k?: number;
  /** Draws among the likeliest tokens that have so much probability together. */
  readonly top_p?: number;
  /** Above 1, tokens that were there already become less likely. */
  readonly repetition_penalty?: number;
  /** No such number of tokens in a row occurs twice; 0 for no limit. */
  readonly no_repeat_ngram_size?: number;
  /** Sequences that are followed at once; 1 takes the likeliest token each time. */
  readonly num_beams?: number;
  /** Above 0, beams' scores are divided by length to this power. */
  readonly length_penalty?: number;
  /** When beams end: as many finished as there are beams (true), no better one in sight (false), none possible. */
  readonly early_stopping?: boolean | 'never';
  readonly num_return_sequences?: number;
  readonly eos_token_id?: number | readonly number[] | null;
  readonly pad_token_id?: number | null;
  /** Keeps what was computed for earlier tokens; true by default. */
  readonly use_cache?: boolean;
  /** Is told each step's tokens, one for each sequence; not with beams. */
  readonly on_tokens?: (tokens: readonly number[]) => void;
  readonly signal?: AbortSignal;
}

/** With every default filled in. */
export interface GenerationSettings {
  readonly maxLength: number;
  readonly minLength: number;
  readonly doSample: boolean;
  readonly seed: number;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly repetitionPenalty: number;
  readonly noRepeatNgramSize: number;
  readonly beams: number;
  readonly lengthPenalty: number;
  readonly earlyStopping: boolean | 'never';
  readonly returned: number;
  readonly ends: ReadonlySet<number>;
  readonly padding: number;
  readonly useCache: boolean;
  readonly onTokens: ((tokens: readonly number[]) => void) | undefined;
  readonly signal: AbortSignal | undefined;
}

/** @param promptLength tokens of the longest prompt @throws InputError naming the option */
export function resolveOptions(
  options: GenerationOptions,
  config: TransformerConfig,
  promptLength: number,
): GenerationSettings {
  const ends = options.eos_token_id ?? config.eos_token_id ?? [];
  const settings: GenerationSettings = {
    maxLength: options.max_new_tokens ? promptLength + options.max_new_tokens : (options.max_length ?? 20),
    minLength: options.min_new_tokens ? promptLength + options.min_new_tokens : (options.min_length ?? 0),
    doSample: options.do_sample ?? false,
    seed: options.seed ?? 0,
    temperature: options.temperature ?? 1,
    topK: options.top_k ?? 50,
    topP: options.top_p ?? 1,
    repetitionPenalty: options.repetition_penalty ?? 1,
    noRepeatNgramSize: options.no_repeat_ngram_size ?? 0,
    beams: options.num_beams ?? 1,
    lengthPenalty: options.length_penalty ?? 1,
    earlyStopping: options.early_stopping ?? false,
    returned: options.num_return_sequences ?? 1,
    ends: new Set(typeof ends === 'number' ? [ends] : ends),
    padding: options.pad_token_id ?? config.pad_token_id ?? [ends].flat()[0] ?? 0,
    useCache: options.use_cache ?? config.use_cache,
    onTokens: options.on_tokens,
    signal: options.signal,
  };
  const { maxLength, beams, returned, doSample, temperature, topP } = settings;
  const checks: [holds: boolean, message: string][] = [
    [
      maxLength > promptLength,
      `max_length: expected more than the prompt's ${promptLength} tokens, found ${maxLength}`,
    ],
    [
      maxLength <= config.max_position_embeddings,
      `expected at most ${config.max_position_embeddings} tokens with the prompt (max_position_embeddings), found ${maxLength}`,
    ],
    [temperature > 0, `temperature: expected more than 0, found ${temperature}`],
    [topP > 0 && topP <= 1, `top_p: expected a number above 0 and up to 1, found ${topP}`],
    [!(doSample && beams > 1), 'num_beams: beams are not drawn at random; leave out do_sample'],
    [
      doSample || returned <= beams,
      `num_return_sequences: expected at most num_beams (${beams}) without do_sample, found ${returned}`,
    ],
    [!(settings.onTokens && beams > 1), 'on_tokens: beams can change until the end; leave out num_beams'],
  ];
  const failed = checks.find(([holds]) => !holds);
  if (failed) throw new InputError(failed[1]);
  return settings;
}
