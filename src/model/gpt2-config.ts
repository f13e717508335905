import { z } from 'zod';
import {
  activation,
  commonFields,
  labelsOf,
  parseFields,
  probability,
  requireAll,
  size,
  tokenId,
  tokenIds,
  type TransformerConfig,
} from './config.js';

const endOfText = 50256;

const schema = z.looseObject({
  ...commonFields,
  model_type: z.string().default('gpt2'),
  vocab_size: size.default(50257),
  n_positions: size.default(1024),
  n_embd: size.default(768),
  n_layer: size.default(12),
  n_head: size.default(12),
  /** Four times `n_embd` where it is null. */
  n_inner: size.nullable().default(null),
  activation_function: activation.default('gelu_new'),
  resid_pdrop: probability.default(0.1),
  embd_pdrop: probability.default(0.1),
  attn_pdrop: probability.default(0.1),
  layer_norm_epsilon: z.number().positive().default(1e-5),
  scale_attn_weights: z.boolean().default(true),
  scale_attn_by_inverse_layer_idx: z.boolean().default(false),
  /** Of 16-bit arithmetic, which is not done here: either gives the same. */
  reorder_and_upcast_attn: z.boolean().default(false),
  pad_token_id: tokenId.default(null),
  bos_token_id: tokenId.default(endOfText),
  eos_token_id: tokenIds.default(endOfText),
});

/** The fields of transformers' `GPT2Config`, and what they are in a `TransformerConfig`. */
export type Gpt2Config = TransformerConfig & Readonly<z.infer<typeof schema>>;

/**
 * Fills in transformers' defaults and checks what transformers checks.
 *
 * @param fields as in `config.json`
 * @param source named in errors
 * @throws InputError naming the field, what was expected and what was found
 */
export function gpt2Config(fields: unknown = {}, source = 'configuration'): Gpt2Config {
  const { num_labels, id2label, label2id, ...config } = parseFields(schema, fields, source);
  requireAll(source, [
    [config.model_type === 'gpt2', `expected model_type gpt2, found ${JSON.stringify(config.model_type)}`],
    [
      config.n_embd % config.n_head === 0,
      `n_embd (${config.n_embd}) is not divisible by n_head (${config.n_head})`,
    ],
    [
      !config.add_cross_attention,
      'add_cross_attention: expected false, found true: GPT-2 has no encoder here',
    ],
  ]);
  const labels = labelsOf({ num_labels, id2label, label2id }, source);
  return { ...config, ...labels, ...transformerFields(config) };
}

/** As transformers' `attribute_map` has them, and the same for the rest. */
const transformerFields = (config: z.infer<typeof schema>) =>
  ({
    hidden_size: config.n_embd,
    num_hidden_layers: config.n_layer,
    num_attention_heads: config.n_head,
    intermediate_size: config.n_inner ?? 4 * config.n_embd,
    hidden_act: config.activation_function,
    hidden_dropout_prob: config.resid_pdrop,
    attention_probs_dropout_prob: config.attn_pdrop,
    max_position_embeddings: config.n_positions,
    layer_norm_eps: config.layer_norm_epsilon,
    type_vocab_size: 0,
    position_embedding_type: 'absolute',
    is_decoder: true,
  }) satisfies Partial<TransformerConfig>;

/** What `config.json` has of a configuration: the same under GPT-2's names alone. */
export function gpt2Fields(config: Gpt2Config): Readonly<Record<string, unknown>> {
  const derived = transformerFields(config);
  return Object.fromEntries(Object.entries(config).filter(([name]) => !(name in derived)));
}
