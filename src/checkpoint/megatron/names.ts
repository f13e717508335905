/**
 * The parameters of Megatron-LM's BERT and GPT-2 by the names of its releases 2.5 to 23.04, how each is split, and
 * how other releases call it. Sources: Megatron-LM v2.5 megatron/model/*, megatron-core 0.10, and
 * transformers' converters for the names of Transformer Engine's layers.
 */

/** Of the whole model, without `language_model.`; layers are numbered over all pipeline stages. */
export type MegatronName = string;

/** How ranks share a parameter: axis 0 or 1 in equal parts, by heads, or each has the whole. */
export type Partition = 0 | 1 | 'heads' | undefined;

const partitions: readonly (readonly [pattern: RegExp, partition: Exclude<Partition, undefined>])[] = [
  [/^embedding\.word_embeddings\.weight$/, 0],
  [/\.query_key_value\.(weight|bias)$/, 'heads'],
  [/\.dense_h_to_4h\.(weight|bias)$/, 0],
  [/^encoder\.layers\.\d+\.self_attention\.dense\.weight$/, 1],
  [/\.dense_4h_to_h\.weight$/, 1],
  [/^lm_head\.bias$/, 0],
];

export const partitionOf = (name: MegatronName): Partition =>
  partitions.find(([pattern]) => pattern.test(name))?.[1];

const affine = (name: string) => [`${name}.weight`, `${name}.bias`];

/** All parameters of one layer. */
export const layerNames = (layer: number): MegatronName[] =>
  [
    'input_layernorm',
    'self_attention.query_key_value',
    'self_attention.dense',
    'post_attention_layernorm',
    'mlp.dense_h_to_4h',
    'mlp.dense_4h_to_h',
  ].flatMap((name) => affine(`encoder.layers.${layer}.${name}`));

export const finalNormNames = affine('encoder.final_layernorm');

/** What a model may have or not, in the order in which Megatron-LM keeps it. */
export const headNames: readonly MegatronName[] = [
  ...affine('pooler.dense'),
  'lm_head.bias',
  ...affine('lm_head.dense'),
  ...affine('lm_head.layernorm'),
  ...affine('binary_head'),
  ...affine('classification_head'),
  ...affine('multichoice_head'),
];

export const wordEmbeddings = 'embedding.word_embeddings.weight';
export const positionEmbeddings = 'embedding.position_embeddings.weight';
export const tokenTypeEmbeddings = 'embedding.tokentype_embeddings.weight';

/** The last stage's copy of the word embeddings, where there are several. */
export const tiedCopy = 'word_embeddings_for_head.weight';

/** All parameters that there are, as Megatron-LM's modules hold them. */
export function moduleNames(layers: number): MegatronName[] {
  const [poolerWeight, poolerBias, ...heads] = headNames;
  return [
    wordEmbeddings,
    positionEmbeddings,
    tokenTypeEmbeddings,
    ...Array.from({ length: layers }, (_, layer) => layerNames(layer)).flat(),
    ...finalNormNames,
    ...[poolerWeight!, poolerBias!],
    tiedCopy,
    ...heads,
  ];
}

/** Some parameters in that order. */
export function inModuleOrder(names: Iterable<MegatronName>): MegatronName[] {
  const given = new Set(names);
  const layers = 1 + Math.max(-1, ...[...given].map((name) => Number(layerOf(name) ?? -1)));
  return moduleNames(layers).filter((name) => given.has(name));
}

export const layerOf = (name: MegatronName) => /^encoder\.layers\.(\d+)\./.exec(name)?.[1];

/** Layer norms and biases have none. */
export const hasDecay = (name: MegatronName) => !/layernorm\.weight$|\.bias$/.test(name);

export const isKnown = (name: MegatronName): boolean =>
  [wordEmbeddings, positionEmbeddings, tokenTypeEmbeddings, ...finalNormNames, ...headNames].includes(name) ||
  layerNames(0).includes(name.replace(/^encoder\.layers\.\d+\./, 'encoder.layers.0.'));

/** What is no parameter of the model. */
export const isIgnored = (name: MegatronName) => /(^|\.)_extra_state$/.test(name);

const renames: readonly (readonly [RegExp, string])[] = [
  [/^module\./, ''],
  [/^language_model\./, ''],
  [/^(transformer|decoder)\./, 'encoder.'],
  [/\.attention\./, '.self_attention.'],
  [/\.input_norm\./, '.input_layernorm.'],
  [/\.(post_attention_norm|pre_mlp_layernorm)\./, '.post_attention_layernorm.'],
  // layer norms that are computed with the matrix that follows
  [/\.self_attention\.(linear_qkv|layernorm_qkv)\.layer_norm_/, '.input_layernorm.'],
  [/\.(mlp\.linear_fc1|layernorm_mlp)\.layer_norm_/, '.post_attention_layernorm.'],
  [/\.self_attention\.(linear_qkv|layernorm_qkv)\./, '.self_attention.query_key_value.'],
  [/\.self_attention\.(linear_proj|proj)\./, '.self_attention.dense.'],
  [/\.(mlp\.linear_fc1\.|layernorm_mlp\.fc1[._])/, '.mlp.dense_h_to_4h.'],
  [/\.(mlp\.linear_fc2\.|layernorm_mlp\.fc2[._])/, '.mlp.dense_4h_to_h.'],
  [/^encoder\.final_norm\./, 'encoder.final_layernorm.'],
  [/^lm_head\.layer_norm\./, 'lm_head.layernorm.'],
  [/^output_layer\.weight$/, tiedCopy],
  [/^output_layer\.bias$/, 'lm_head.bias'],
];

/** A parameter of one stage, as any release calls it. */
export const renamed = (name: string): MegatronName =>
  renames.reduce((current, [pattern, replacement]) => current.replace(pattern, replacement), name);
