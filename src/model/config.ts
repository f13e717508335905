import { z } from 'zod';
import { InputError } from '../errors.js';
import { activations, type ActivationName } from './activations.js';

const size = z.int().positive();
const probability = z.number().min(0).lt(1);
const tokenId = z.int().nonnegative().nullable();
const activationNames = Object.keys(activations) as [ActivationName, ...ActivationName[]];

const schema = z.looseObject({
  model_type: z.string().default('megatron-bert'),
  vocab_size: size.default(29056),
  hidden_size: size.default(1024),
  num_hidden_layers: size.default(24),
  num_attention_heads: size.default(16),
  intermediate_size: size.default(4096),
  hidden_act: z.enum(activationNames).default('gelu'),
  hidden_dropout_prob: probability.default(0.1),
  attention_probs_dropout_prob: probability.default(0.1),
  max_position_embeddings: size.default(512),
  type_vocab_size: size.default(2),
  initializer_range: z.number().positive().default(0.02),
  layer_norm_eps: z.number().positive().default(1e-12),
  pad_token_id: tokenId.default(0),
  bos_token_id: tokenId.default(null),
  eos_token_id: z.union([tokenId, z.array(z.int().nonnegative())]).default(null),
  position_embedding_type: z.enum(['absolute', 'relative_key', 'relative_key_query']).default('absolute'),
  is_decoder: z.boolean().default(false),
  add_cross_attention: z.boolean().default(false),
  use_cache: z.boolean().default(true),
  tie_word_embeddings: z.boolean().default(true),
  output_attentions: z.boolean().default(false),
  output_hidden_states: z.boolean().default(false),
  num_labels: size.optional(),
  id2label: z.record(z.string().regex(/^\d+$/), z.string()).optional(),
  label2id: z.record(z.string(), z.int().nonnegative()).optional(),
  problem_type: z
    .enum(['regression', 'single_label_classification', 'multi_label_classification'])
    .nullable()
    .default(null),
  /** Heads that were taken out of a layer, by its number. */
  pruned_heads: z.record(z.string().regex(/^\d+$/), z.array(z.int().nonnegative())).default({}),
});

type Fields = z.infer<typeof schema>;

/** The fields of transformers' `MegatronBertConfig` that are computed with; others are kept as they are. */
export type MegatronBertConfig = Readonly<
  Fields & {
    /** The name of each label, by its number. */
    id2label: Readonly<Record<string, string>>;
    label2id: Readonly<Record<string, number>>;
  }
>;

/**
 * Fills in transformers' defaults and checks what transformers checks.
 *
 * @param fields as in `config.json`; `num_labels` names so many labels `LABEL_0`, `LABEL_1` …
 * @param source named in errors
 * @throws InputError naming the field, what was expected and what was found
 */
export function megatronBertConfig(fields: unknown = {}, source = 'configuration'): MegatronBertConfig {
  const { success, data, error } = schema.safeParse(fields);
  if (!success) {
    const { path, message } = error.issues[0]!;
    const found = path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown>)[key], fields);
    throw new InputError(`${source}: ${[...path, message].join(': ')}, found ${JSON.stringify(found)}`);
  }
  const { num_labels, id2label, label2id, ...config } = data;
  const labels = id2label ?? numberedLabels(num_labels ?? 2);
  const checks: [holds: boolean, message: string][] = [
    [
      config.model_type === 'megatron-bert',
      `expected model_type megatron-bert, found ${JSON.stringify(config.model_type)}`,
    ],
    [
      config.hidden_size % config.num_attention_heads === 0,
      `hidden_size (${config.hidden_size}) is not divisible by num_attention_heads (${config.num_attention_heads})`,
    ],
    [
      Object.keys(labels).every((_, i) => String(i) in labels),
      `id2label: expected the numbers 0 to ${Object.keys(labels).length - 1}, found ${Object.keys(labels).join(', ')}`,
    ],
    [
      num_labels === undefined || num_labels === Object.keys(labels).length,
      `num_labels is ${num_labels}, and id2label has ${Object.keys(labels).length} labels`,
    ],
    [!config.add_cross_attention || config.is_decoder, 'add_cross_attention needs is_decoder'],
  ];
  const failed = checks.find(([holds]) => !holds);
  if (failed) throw new InputError(`${source}: ${failed[1]}`);
  return {
    ...config,
    id2label: labels,
    label2id:
      label2id ?? Object.fromEntries(Object.entries(labels).map(([id, label]) => [label, Number(id)])),
  };
}

const numberedLabels = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [i, `LABEL_${i}`]));

export const labelCount = ({ id2label }: MegatronBertConfig) => Object.keys(id2label).length;

export const headSize = ({ hidden_size, num_attention_heads }: MegatronBertConfig) =>
  hidden_size / num_attention_heads;

/** Heads of a layer, less those that were pruned. */
export function headCount(config: MegatronBertConfig, layer: number): number {
  return config.num_attention_heads - new Set(config.pruned_heads[layer]).size;
}

/** @throws InputError naming the size that cannot be split over the ranks */
export function checkTensorParallel(config: MegatronBertConfig, ranks: number): void {
  for (const field of ['num_attention_heads', 'intermediate_size', 'vocab_size'] as const)
    if (config[field] % ranks !== 0)
      throw new InputError(
        `${field} (${config[field]}) is not divisible by the tensor-parallel size (${ranks})`,
      );
}
