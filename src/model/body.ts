import { reshape, slice } from '../graph/functions.js';
import { multiplyDimensions } from '../graph/dimension.js';
import type { Value } from '../graph/value.js';
import type { KeyValue } from './attention.js';
import { scoreScale, type TransformerConfig } from './config.js';
import { embeddings, embeddingsParameters, type EmbeddingsValues, type TextInputs } from './embeddings.js';
import { poolerParameters } from './heads.js';
import {
  layerParameters,
  norm,
  transformerLayer,
  type LayerCache,
  type LayerContext,
  type LayerOutputs,
  type LayerValues,
  type Selection,
} from './layer.js';
import { additiveMask, causalMask } from './masks.js';
import { layerNormParameters, type LayerNormValues } from './parameters.js';
import type { Run } from './run.js';
import { takeOwnPart } from './tensor-parallel.js';

export function bodyParameters(config: TransformerConfig) {
  const layers = Array.from(
    { length: config.num_hidden_layers },
    (_, i) => [i, layerParameters(config, i)] as const,
  );
  return {
    embeddings: embeddingsParameters(config),
    encoder: { layer: Object.fromEntries(layers), ln: layerNormParameters(config.hidden_size) },
  };
}

export const pooledBodyParameters = (config: TransformerConfig) => ({
  ...bodyParameters(config),
  pooler: poolerParameters(config),
});

/** What the body is computed from, by MegatronBERT's names. */
export interface BodyValues {
  readonly embeddings: EmbeddingsValues;
  readonly encoder: { readonly layer: Readonly<Record<string, LayerValues>>; readonly ln: LayerNormValues };
}

export interface BodyInputs extends TextInputs {
  /** int32 [batch, keys] or [batch, sequence, keys]: 1 for a token to see, 0 for padding. */
  readonly attention_mask: Value;
  /** int32 [sequence, keys]: see `AttentionContext`; for causal masks too. */
  readonly distances?: Value | undefined;
  /** [layers, heads], of all ranks: 1 to keep a head, 0 to drop it. */
  readonly head_mask?: Value | undefined;
  /** [batch, encoder sequence, hidden] */
  readonly encoder_hidden_states?: Value | undefined;
  /** int32 [batch, encoder sequence], or with a query axis between */
  readonly encoder_attention_mask?: Value | undefined;
  /** int32 [sequence, encoder sequence] */
  readonly encoder_distances?: Value | undefined;
  /** Of each layer, with the heads of all ranks. */
  readonly past_key_values?: readonly LayerCache[] | undefined;
}

export interface BodyOutputs {
  /** [batch · sequence, hidden]: after the final layer norm. */
  readonly last: Value;
  /** transformers' `hidden_states`: the embeddings, each layer's output but the last, and `last`. */
  readonly states: readonly Value[];
  readonly layers: readonly LayerOutputs[];
  /** Rows of `last`; what only other rows need of the last layer is not computed. */
  readonly select: (selection: Selection) => Value;
}

/** Embeddings, layers and the final layer norm. */
export function body(
  inputs: BodyInputs,
  values: BodyValues,
  config: TransformerConfig,
  run: Run,
): BodyOutputs {
  const contexts = layerContexts(inputs, config, run);
  const layerValues = Object.values(values.encoder.layer);
  const states = [embeddings(inputs, values.embeddings, config, run)];
  const layers: LayerOutputs[] = [];
  for (const [i, layer] of layerValues.entries()) {
    const outputs = transformerLayer(states[i]!, layer, contexts[i]!, config, run);
    layers.push(outputs);
    states.push(outputs.hidden);
  }
  const finalNorm = (rows: Value) => norm(rows, values.encoder.ln, config);
  const last = finalNorm(states.at(-1)!);
  return {
    last,
    states: states.with(-1, last),
    layers,
    select(selection) {
      // a query's own mask row and distances would have to be selected too
      const isSelective = !run.everyPosition && hasMaskOfKeys(inputs) && !inputs.distances;
      if (!isSelective) return selection.take(last);
      const context = { ...contexts.at(-1)!, selection };
      return finalNorm(transformerLayer(states.at(-2)!, layerValues.at(-1)!, context, config, run).hidden);
    },
  };
}

const hasMaskOfKeys = ({ attention_mask, encoder_attention_mask }: BodyInputs) =>
  attention_mask.shape.length === 2 && (encoder_attention_mask?.shape.length ?? 2) === 2;

function layerContexts(inputs: BodyInputs, config: TransformerConfig, run: Run): LayerContext[] {
  const { attention_mask, distances, head_mask, encoder_hidden_states, encoder_attention_mask } = inputs;
  const mask = config.is_decoder ? causalMask(attention_mask, distances!) : additiveMask(attention_mask);
  const encoderLength = encoder_hidden_states?.shape[1];
  const encoder =
    encoder_hidden_states && encoder_attention_mask && encoderLength !== undefined
      ? {
          mask: additiveMask(encoder_attention_mask),
          distances: inputs.encoder_distances,
          hidden: reshape(encoder_hidden_states, [
            multiplyDimensions(run.batchSize, encoderLength),
            config.hidden_size,
          ]),
          length: encoderLength,
        }
      : undefined;
  return Array.from({ length: config.num_hidden_layers }, (_, i) => {
    const headMask = head_mask && takeOwnPart(headMaskOf(head_mask, i), headsAxis, run.tensor);
    const past = inputs.past_key_values?.[i];
    const ownHeads = (all: KeyValue | undefined): KeyValue | undefined =>
      all && {
        key: takeOwnPart(all.key, headsAxis, run.tensor),
        value: takeOwnPart(all.value, headsAxis, run.tensor),
      };
    const scale = scoreScale(config, i);
    return {
      mask,
      distances,
      scale,
      headMask,
      encoder: encoder && { ...encoder, scale, headMask },
      past: past && { self: ownHeads(past.self), cross: ownHeads(past.cross) },
    };
  });
}

/** Of probabilities, keys and values: [batch, heads, …] */
export const headsAxis = 1;

/** [layers, heads] → [1, heads, 1, 1] */
function headMaskOf(mask: Value, layer: number): Value {
  return reshape(slice(mask, 0, layer, layer + 1), [1, mask.shape[1]!, 1, 1]);
}

/** Each sequence's first position. */
export const firstPosition = ({ batchSize, sequenceLength }: Run): Selection => ({
  count: 1,
  take: (rows) => {
    const width = rows.shape[1]!;
    const first = slice(reshape(rows, [batchSize, sequenceLength, width]), 1, 0, 1);
    return reshape(first, [batchSize, width]);
  },
});
