/** Parameters by Megatron-LM's names and by those of transformers' MegatronBERT and GPT-2. */
import type { MegatronName } from '../checkpoint/megatron/names.js';

type Names = readonly (readonly [megatron: string, transformers: string])[];

const bertLayer: Names = [
  ['input_layernorm', 'attention.ln'],
  ['self_attention.dense', 'attention.output.dense'],
  ['post_attention_layernorm', 'ln'],
  ['mlp.dense_h_to_4h', 'intermediate.dense'],
  ['mlp.dense_4h_to_h', 'output.dense'],
];
const bertModules: Names = [
  ['embedding.word_embeddings', 'bert.embeddings.word_embeddings'],
  ['embedding.position_embeddings', 'bert.embeddings.position_embeddings'],
  ['embedding.tokentype_embeddings', 'bert.embeddings.token_type_embeddings'],
  ['encoder.final_layernorm', 'bert.encoder.ln'],
  ['pooler.dense', 'bert.pooler.dense'],
  ['lm_head.dense', 'cls.predictions.transform.dense'],
  ['lm_head.layernorm', 'cls.predictions.transform.LayerNorm'],
  ['lm_head', 'cls.predictions'],
  ['binary_head', 'cls.seq_relationship'],
  ['classification_head', 'classifier'],
  ['multichoice_head', 'classifier'],
];
const gpt2Layer: Names = [
  ['input_layernorm', 'ln_1'],
  ['self_attention.query_key_value', 'attn.c_attn'],
  ['self_attention.dense', 'attn.c_proj'],
  ['post_attention_layernorm', 'ln_2'],
  ['mlp.dense_h_to_4h', 'mlp.c_fc'],
  ['mlp.dense_4h_to_h', 'mlp.c_proj'],
];
const gpt2Modules: Names = [
  ['embedding.word_embeddings', 'transformer.wte'],
  ['embedding.position_embeddings', 'transformer.wpe'],
  ['encoder.final_layernorm', 'transformer.ln_f'],
];

/** `encoder.layers.3.mlp.dense.weight` is module `mlp.dense` of layer 3, and its weight. */
function partsOf(name: MegatronName) {
  const { layer, module, kind } =
    /^(?:encoder\.layers\.(?<layer>\d+)\.)?(?<module>.*)\.(?<kind>weight|bias)$/.exec(name)!.groups as {
      layer?: string;
      module: string;
      kind: string;
    };
  return { layer, module, kind };
}

const lookUp = (names: Names, module: string) => new Map(names).get(module);

/** Three names, of queries, keys and values, for the fused matrix. */
export function bertNames(name: MegatronName): readonly string[] {
  const { layer, module, kind } = partsOf(name);
  if (layer === undefined) return [`${lookUp(bertModules, module)!}.${kind}`];
  const prefix = `bert.encoder.layer.${layer}`;
  return module === 'self_attention.query_key_value'
    ? ['query', 'key', 'value'].map((part) => `${prefix}.attention.self.${part}.${kind}`)
    : [`${prefix}.${lookUp(bertLayer, module)!}.${kind}`];
}

/** Undefined for what only BERT has. */
export function gpt2Name(name: MegatronName): string | undefined {
  const { layer, module, kind } = partsOf(name);
  const found = lookUp(layer === undefined ? gpt2Modules : gpt2Layer, module);
  if (found === undefined) return undefined;
  return layer === undefined ? `${found}.${kind}` : `transformer.h.${layer}.${found}.${kind}`;
}

/** GPT-2's linear layers are [in, out] in transformers, and [out, in] everywhere else. */
export const isTransposed = (name: MegatronName) =>
  /^encoder\.layers\.\d+\.(self_attention|mlp)\..*\.weight$/.test(name);
