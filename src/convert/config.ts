/** The fields of transformers' configurations, and the arguments of Megatron-LM that mean the same. */
import type { MegatronArguments, WholeModel } from '../checkpoint/megatron/model.js';
import { numberOf } from '../checkpoint/megatron/arguments.js';
import { tokenTypeEmbeddings, type MegatronName } from '../checkpoint/megatron/names.js';
import { InputError } from '../errors.js';
import { tokenizerTypeOf } from './tokenizer-files.js';

export type ConfigFields = Readonly<Record<string, unknown>>;

/** As `torch_dtype` names them. */
export const dtypeNames = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' } as const;

/** The class that has all of a model's heads. */
export function architectureOf({ kind, tensors }: WholeModel): string {
  const has = (name: MegatronName) => tensors.has(name);
  if (kind === 'gpt2') return 'GPT2LMHeadModel';
  if (has('classification_head.weight')) return 'MegatronBertForSequenceClassification';
  if (has('multichoice_head.weight')) return 'MegatronBertForMultipleChoice';
  if (has('lm_head.bias'))
    return has('binary_head.weight') ? 'MegatronBertForPreTraining' : 'MegatronBertForMaskedLM';
  return 'MegatronBertModel';
}

/**
 * Megatron-LM's feed-forward layers: the error function's GELU in version 1 and wherever nothing else is said, the
 * tanh form in later ones, which fuse it with the bias; NVIDIA's GPT-2 of 2019 had the tanh form without saying so.
 */
export function activationOf({ kind, arguments: args }: WholeModel): 'gelu' | 'gelu_new' {
  if (args.get('openai_gelu') === true || args.get('bias_gelu_fusion') === true) return 'gelu_new';
  return kind === 'gpt2' && args.size === 0 ? 'gelu_new' : 'gelu';
}

/** What it was trained with. */
export const epsilonOf = ({ arguments: args }: WholeModel) =>
  numberOf(args, 'layernorm_epsilon', 'norm_epsilon') ?? 1e-5;

export function bertFields(model: WholeModel): ConfigFields {
  const { arguments: args, sizes, tensors } = model;
  const labels = tensors.get('classification_head.weight')?.shape[0];
  const tokenizerType = tokenizerTypeOf(args);
  return {
    model_type: 'megatron-bert',
    vocab_size: sizes.vocabulary,
    hidden_size: sizes.hiddenSize,
    num_hidden_layers: sizes.layers,
    num_attention_heads: sizes.heads,
    intermediate_size: sizes.ffnHiddenSize,
    max_position_embeddings: sizes.positions,
    type_vocab_size: tensors.get(tokenTypeEmbeddings)?.shape[0] ?? 2,
    hidden_act: activationOf(model),
    layer_norm_eps: epsilonOf(model),
    hidden_dropout_prob: numberOf(args, 'hidden_dropout') ?? 0.1,
    attention_probs_dropout_prob: numberOf(args, 'attention_dropout') ?? 0.1,
    initializer_range: numberOf(args, 'init_method_std') ?? 0.02,
    ...(labels !== undefined && { num_labels: labels }),
    ...(tokenizerType !== undefined && { tokenizer_type: tokenizerType }),
  };
}

/** The token that begins and ends texts in GPT-2's vocabulary. */
const endOfText = 50256;

export function gpt2Fields(model: WholeModel): ConfigFields {
  const { arguments: args, sizes } = model;
  const end = endOfText < sizes.vocabulary ? endOfText : null;
  const hiddenDropout = numberOf(args, 'hidden_dropout') ?? 0.1;
  return {
    model_type: 'gpt2',
    vocab_size: sizes.vocabulary,
    n_positions: sizes.positions,
    n_embd: sizes.hiddenSize,
    n_layer: sizes.layers,
    n_head: sizes.heads,
    n_inner: sizes.ffnHiddenSize,
    activation_function: activationOf(model),
    layer_norm_epsilon: epsilonOf(model),
    embd_pdrop: hiddenDropout,
    resid_pdrop: hiddenDropout,
    attn_pdrop: numberOf(args, 'attention_dropout') ?? 0.1,
    initializer_range: numberOf(args, 'init_method_std') ?? 0.02,
    scale_attn_weights: true,
    use_cache: true,
    bos_token_id: end,
    eos_token_id: end,
  };
}

const tanhForms = ['gelu_new', 'gelu_fast', 'gelu_pytorch_tanh'];

/** @throws InputError for an activation that Megatron-LM does not have */
export function argumentsFromConfig(config: ConfigFields, source: string): MegatronArguments {
  const activation = config.hidden_act ?? config.activation_function ?? 'gelu';
  const isTanh = typeof activation === 'string' && tanhForms.includes(activation);
  if (activation !== 'gelu' && !isTanh)
    throw new InputError(`${source}: Megatron-LM has no activation ${JSON.stringify(activation)}`);
  const fields: [name: string, value: unknown][] = [
    ['layernorm_epsilon', config.layer_norm_eps ?? config.layer_norm_epsilon],
    ['hidden_dropout', config.hidden_dropout_prob ?? config.resid_pdrop],
    ['attention_dropout', config.attention_probs_dropout_prob ?? config.attn_pdrop],
    ['init_method_std', config.initializer_range],
    ['tokenizer_type', config.tokenizer_type],
    ['bias_gelu_fusion', isTanh],
    ['openai_gelu', false],
  ];
  return new Map(fields.filter(([, value]) => ['boolean', 'number', 'string'].includes(typeof value)));
}
