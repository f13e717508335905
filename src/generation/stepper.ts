import { headCount, headSize, type TransformerConfig } from '../model/config.js';
import type { LayerKeyValues } from '../pretrained/model-inputs.js';
import type { Tensor } from '../pretrained/tensors.js';

/** The part of a causal language model that generation needs. */
export interface NextTokenModel {
  forward(
    inputs: {
      readonly input_ids: readonly (readonly number[])[];
      readonly attention_mask: readonly (readonly number[])[];
      readonly position_ids: readonly (readonly number[])[];
      readonly prediction_positions: readonly (readonly number[])[];
      readonly past_key_values?: readonly LayerKeyValues[];
    },
    options: { readonly use_cache: boolean; readonly signal?: AbortSignal },
  ): Promise<{ readonly logits: Tensor; readonly past_key_values?: readonly LayerKeyValues[] }>;
}

/** A sequence, and of which of the sequences of the step before it is a continuation. */
export interface Continued {
  readonly tokens: readonly number[];
  readonly origin: number;
}

/**
 * Scores the next token of sequences step by step.
 *
 * @param masks for each prompt 1 for a token, 0 for padding before it
 * @returns for each sequence, the scores of all tokens; memory of their own
 */
export function createStepper(
  model: NextTokenModel,
  masks: readonly (readonly number[])[],
  config: TransformerConfig,
  useCache: boolean,
  signal: AbortSignal | undefined,
): (sequences: readonly Continued[]) => Promise<Float32Array[]> {
  let previousMasks = masks;
  // starting with no tokens, so that one program does for all steps
  let cache = useCache ? emptyCache(config, masks.length) : undefined;
  return async (sequences) => {
    const attention_mask = sequences.map(({ tokens, origin }) => {
      const mask = previousMasks[origin]!;
      return [...mask, ...new Array<number>(tokens.length - mask.length).fill(1)];
    });
    previousMasks = attention_mask;
    const past =
      cache &&
      reorder(
        cache,
        sequences.map(({ origin }) => origin),
      );
    const from = past?.[0]!.key.dims[2] ?? 0;
    const input_ids = sequences.map(({ tokens }) => tokens.slice(from));
    const { logits, past_key_values } = await model.forward(
      {
        input_ids,
        attention_mask,
        position_ids: attention_mask.map((mask) => positionsOf(mask).slice(from)),
        prediction_positions: input_ids.map((tokens) => [tokens.length - 1]),
        ...(past && { past_key_values: past }),
      },
      { use_cache: useCache, ...(signal && { signal }) },
    );
    cache = past_key_values;
    const width = logits.dims.at(-1)!;
    return sequences.map((_, i) => logits.data.slice(i * width, (i + 1) * width));
  };
}

function emptyCache(config: TransformerConfig, rows: number): readonly LayerKeyValues[] {
  return Array.from({ length: config.num_hidden_layers }, (_, layer) => {
    const dims = [rows, headCount(config, layer), 0, headSize(config)];
    const empty: Tensor = { type: 'float32', dims, data: new Float32Array() };
    return { key: empty, value: empty };
  });
}

/** Padding is not counted. */
function positionsOf(mask: readonly number[]): number[] {
  let next = 0;
  return mask.map((shown) => (shown ? next++ : 0));
}

/** The rows of the sequences that go on. */
function reorder(cache: readonly LayerKeyValues[], origins: readonly number[]): readonly LayerKeyValues[] {
  const rows = cache[0]!.key.dims[0]!;
  if (origins.length === rows && origins.every((origin, i) => origin === i)) return cache;
  const take = ({ type, dims, data }: Tensor): Tensor => {
    const size = data.length / rows;
    const taken = new Float32Array(size * origins.length);
    origins.forEach((origin, i) => {
      taken.set(data.subarray(origin * size, (origin + 1) * size), i * size);
    });
    return { type, dims: [origins.length, ...dims.slice(1)], data: taken };
  };
  return cache.map(({ key, value }) => ({ key: take(key), value: take(value) }));
}
