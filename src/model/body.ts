import type { Value } from '../graph/value.js';
import type { MegatronBertConfig } from './config.js';
import { additiveMask, embeddings, embeddingsParameters, type TextInputs } from './embeddings.js';
import { poolerParameters } from './heads.js';
import { layerParameters, norm, transformerLayer } from './layer.js';
import { layerNormParameters, type ValuesOf } from './parameters.js';
import type { Run } from './run.js';

export function bodyParameters(config: MegatronBertConfig) {
  const layers = Array.from(
    { length: config.num_hidden_layers },
    (_, i) => [i, layerParameters(config)] as const,
  );
  return {
    embeddings: embeddingsParameters(config),
    encoder: { layer: Object.fromEntries(layers), ln: layerNormParameters(config.hidden_size) },
  };
}

export const pooledBodyParameters = (config: MegatronBertConfig) => ({
  ...bodyParameters(config),
  pooler: poolerParameters(config),
});

export interface BodyInputs extends TextInputs {
  /** int32 [batch, sequence]: 1 for a token, 0 for padding. */
  readonly attention_mask: Value;
}

/**
 * Embeddings, layers and the final layer norm.
 *
 * @returns [batch · sequence, hidden]: the embeddings, each layer's output but the last, and the final
 *   layer norm's (transformers' `hidden_states`)
 */
export function body(
  inputs: BodyInputs,
  values: ValuesOf<ReturnType<typeof bodyParameters>>,
  config: MegatronBertConfig,
  run: Run,
): readonly Value[] {
  const mask = additiveMask(inputs.attention_mask);
  const states = [embeddings(inputs, values.embeddings, config, run)];
  for (const layer of Object.values(values.encoder.layer))
    states.push(transformerLayer(states.at(-1)!, mask, layer, config, run));
  return states.with(-1, norm(states.at(-1)!, values.encoder.ln, config));
}
