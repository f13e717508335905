import { z } from 'zod';
import { InputError } from '../errors.js';

const size = z.int().positive();
const probability = z.number().min(0).lt(1);

const schema = z.looseObject({
  model_type: z.string().default('megatron-bert'),
  vocab_size: size.default(29056),
  hidden_size: size.default(1024),
  num_hidden_layers: size.default(24),
  num_attention_heads: size.default(16),
  intermediate_size: size.default(4096),
  hidden_act: z.literal('gelu').default('gelu'),
  hidden_dropout_prob: probability.default(0.1),
  attention_probs_dropout_prob: probability.default(0.1),
  max_position_embeddings: size.default(512),
  type_vocab_size: size.default(2),
  initializer_range: z.number().positive().default(0.02),
  layer_norm_eps: z.number().positive().default(1e-12),
  pad_token_id: z.int().nonnegative().nullable().default(0),
  position_embedding_type: z.literal('absolute').default('absolute'),
  is_decoder: z.literal(false).default(false),
  tie_word_embeddings: z.literal(true).default(true),
});

/** The fields of transformers' `MegatronBertConfig` that are computed with; others are kept as they are. */
export type MegatronBertConfig = Readonly<z.infer<typeof schema>>;

/**
 * Fills in transformers' defaults and checks what transformers checks.
 *
 * @param fields as in `config.json`
 * @param source named in errors
 * @throws InputError naming the field, what was expected and what was found
 */
export function megatronBertConfig(fields: unknown = {}, source = 'configuration'): MegatronBertConfig {
  const { success, data: config, error } = schema.safeParse(fields);
  if (!success) {
    const { path, message } = error.issues[0]!;
    const found = path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown>)[key], fields);
    throw new InputError(`${source}: ${[...path, message].join(': ')}, found ${JSON.stringify(found)}`);
  }
  if (config.model_type !== 'megatron-bert')
    throw new InputError(`${source}: expected model_type megatron-bert, found ${config.model_type}`);
  if (config.hidden_size % config.num_attention_heads !== 0)
    throw new InputError(
      `${source}: hidden_size (${config.hidden_size}) is not divisible by num_attention_heads (${config.num_attention_heads})`,
    );
  return config;
}

/** @throws InputError naming the size that cannot be split over the ranks */
export function checkTensorParallel(config: MegatronBertConfig, ranks: number): void {
  for (const field of ['num_attention_heads', 'intermediate_size', 'vocab_size'] as const)
    if (config[field] % ranks !== 0)
      throw new InputError(
        `${field} (${config[field]}) is not divisible by the tensor-parallel size (${ranks})`,
      );
}
