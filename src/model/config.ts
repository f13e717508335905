import { z } from 'zod';
import { InputError } from '../errors.js';
import { activations, type ActivationName } from './activations.js';

export const size = z.int().positive();
export const probability = z.number().min(0).lt(1);
export const tokenId = z.int().nonnegative().nullable();
export const tokenIds = z.union([tokenId, z.array(z.int().nonnegative())]);
export const activation = z.enum(Object.keys(activations) as [ActivationName, ...ActivationName[]]);

/** What configurations of every family have. */
export const commonFields = {
  initializer_range: z.number().positive().default(0.02),
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
};

const schema = z.looseObject({
  ...commonFields,
  model_type: z.string().default('megatron-bert'),
  vocab_size: size.default(29056),
  hidden_size: size.default(1024),
  num_hidden_layers: size.default(24),
  num_attention_heads: size.default(16),
  intermediate_size: size.default(4096),
  hidden_act: activation.default('gelu'),
  hidden_dropout_prob: probability.default(0.1),
  attention_probs_dropout_prob: probability.default(0.1),
  max_position_embeddings: size.default(512),
  type_vocab_size: size.default(2),
  layer_norm_eps: z.number().positive().default(1e-12),
  pad_token_id: tokenId.default(0),
  bos_token_id: tokenId.default(null),
  eos_token_id: tokenIds.default(null),
  position_embedding_type: z.enum(['absolute', 'relative_key', 'relative_key_query']).default('absolute'),
  is_decoder: z.boolean().default(false),
});

type Fields = z.infer<typeof schema>;

interface Labels {
  /** The name of each label, by its number. */
  readonly id2label: Readonly<Record<string, string>>;
  readonly label2id: Readonly<Record<string, number>>;
}

/** The fields of transformers' `MegatronBertConfig` that are computed with; others are kept as they are. */
export type MegatronBertConfig = Readonly<Fields & Labels>;

/** What a transformer of any family is computed from, by the names of `MegatronBertConfig`. */
export type TransformerConfig = MegatronBertConfig & {
  /** Of the embeddings, where it is not `hidden_dropout_prob`. */
  readonly embd_pdrop?: number;
  /** Whether attention's scores are divided by √d; they are by default. */
  readonly scale_attn_weights?: boolean;
  /** Whether they are divided by the layer's number, from 1, too. */
  readonly scale_attn_by_inverse_layer_idx?: boolean;
};

/**
 * Fills in transformers' defaults and checks what transformers checks.
 *
 * @param fields as in `config.json`; `num_labels` names so many labels `LABEL_0`, `LABEL_1` …
 * @param source named in errors
 * @throws InputError naming the field, what was expected and what was found
 */
export function megatronBertConfig(fields: unknown = {}, source = 'configuration'): MegatronBertConfig {
  const { num_labels, id2label, label2id, ...config } = parseFields(schema, fields, source);
  requireAll(source, [
    [
      config.model_type === 'megatron-bert',
      `expected model_type megatron-bert, found ${JSON.stringify(config.model_type)}`,
    ],
    [
      config.hidden_size % config.num_attention_heads === 0,
      `hidden_size (${config.hidden_size}) is not divisible by num_attention_heads (${config.num_attention_heads})`,
    ],
    [!config.add_cross_attention || config.is_decoder, 'add_cross_attention needs is_decoder'],
  ]);
  return { ...config, ...labelsOf({ num_labels, id2label, label2id }, source) };
}

/** @throws InputError naming the field, what was expected and what was found */
export function parseFields<Schema extends z.ZodType>(
  schema: Schema,
  fields: unknown,
  source: string,
): z.infer<Schema> {
  const { success, data, error } = schema.safeParse(fields);
  if (success) return data;
  const { path, message } = error.issues[0]!;
  const found = path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown>)[key], fields);
  throw new InputError(`${source}: ${[...path, message].join(': ')}, found ${JSON.stringify(found)}`);
}

/** @throws InputError with the message of the first that does not hold */
export function requireAll(
  source: string,
  checks: readonly (readonly [holds: boolean, message: string])[],
): void {
  const failed = checks.find(([holds]) => !holds);
  if (failed) throw new InputError(`${source}: ${failed[1]}`);
}

interface GivenLabels {
  readonly num_labels: number | undefined;
  readonly id2label: Labels['id2label'] | undefined;
  readonly label2id: Labels['label2id'] | undefined;
}

/** Names the labels of which only the number is given. @throws InputError where the two disagree */
export function labelsOf({ num_labels, id2label, label2id }: GivenLabels, source: string): Labels {
  const labels = id2label ?? numberedLabels(num_labels ?? 2);
  requireAll(source, [
    [
      Object.keys(labels).every((_, i) => String(i) in labels),
      `id2label: expected the numbers 0 to ${Object.keys(labels).length - 1}, found ${Object.keys(labels).join(', ')}`,
    ],
    [
      num_labels === undefined || num_labels === Object.keys(labels).length,
      `num_labels is ${num_labels}, and id2label has ${Object.keys(labels).length} labels`,
    ],
  ]);
  return {
    id2label: labels,
    label2id:
      label2id ?? Object.fromEntries(Object.entries(labels).map(([id, label]) => [label, Number(id)])),
  };
}

const numberedLabels = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [i, `LABEL_${i}`]));

export const labelCount = ({ id2label }: TransformerConfig) => Object.keys(id2label).length;

export const headSize = ({ hidden_size, num_attention_heads }: TransformerConfig) =>
  hidden_size / num_attention_heads;

/** Heads of a layer, less those that were pruned. */
export function headCount(config: TransformerConfig, layer: number): number {
  return config.num_attention_heads - new Set(config.pruned_heads[layer]).size;
}

/** What attention's scores are multiplied by, in a layer. */
export function scoreScale(config: TransformerConfig, layer: number): number {
  const { scale_attn_weights = true, scale_attn_by_inverse_layer_idx = false } = config;
  return (
    (scale_attn_weights ? 1 / Math.sqrt(headSize(config)) : 1) /
    (scale_attn_by_inverse_layer_idx ? layer + 1 : 1)
  );
}

/** @throws InputError naming the size that cannot be split over the ranks */
export function checkTensorParallel(config: TransformerConfig, ranks: number): void {
  for (const field of ['num_attention_heads', 'intermediate_size', 'vocab_size'] as const)
    if (config[field] % ranks !== 0)
      throw new InputError(
        `${field} (${config[field]}) is not divisible by the tensor-parallel size (${ranks})`,
      );
}
