import type { HostTensor } from '../engine/engine.js';
import type { LayerKeyValues } from './model-inputs.js';
import type { Tensor } from './tensors.js';

/** What every class can tell of its layers, when asked. */
export interface LayerOutputs {
  /** [batch, sequence, hidden] each: the embeddings, each layer's output, and last the final layer norm's. */
  readonly hidden_states?: readonly Tensor[];
  /** [batch, heads, sequence, keys], of each layer. */
  readonly attentions?: readonly Tensor[];
  readonly cross_attentions?: readonly Tensor[];
  /** Of each layer. */
  readonly past_key_values?: readonly LayerKeyValues[];
}

export type AnyOutputs = LayerOutputs & Readonly<Record<string, unknown>>;

/** `hidden_states.0`, `hidden_states.1` … become a list, `past_key_values.0.key` a list of records. */
export function collectOutputs(results: Readonly<Record<string, HostTensor>>): AnyOutputs {
  const outputs: Record<string, unknown> = {};
  for (const [name, { dims, data }] of Object.entries(results)) {
    const tensor: Tensor = { type: 'float32', dims, data: data as Float32Array };
    const [group, index, part] = name.split('.') as [string, string?, string?];
    if (index === undefined) outputs[group] = tensor;
    else {
      const list = (outputs[group] ??= []) as unknown[];
      if (part === undefined) list[Number(index)] = tensor;
      else ((list[Number(index)] ??= {}) as Record<string, Tensor>)[part] = tensor;
    }
  }
  return outputs;
}
