import { expect, test } from 'vitest';
import { InputError } from '../errors.js';
import { checkTensorParallel } from './config.js';
import { gpt2Config, gpt2Fields } from './gpt2-config.js';

test("transformers' defaults, by GPT-2's names and by MegatronBERT's", () => {
  const config = gpt2Config();
  expect(gpt2Fields(config)).toEqual({
    model_type: 'gpt2',
    vocab_size: 50257,
    n_positions: 1024,
    n_embd: 768,
    n_layer: 12,
    n_head: 12,
    n_inner: null,
    activation_function: 'gelu_new',
    resid_pdrop: 0.1,
    embd_pdrop: 0.1,
    attn_pdrop: 0.1,
    layer_norm_epsilon: 1e-5,
    initializer_range: 0.02,
    scale_attn_weights: true,
    scale_attn_by_inverse_layer_idx: false,
    reorder_and_upcast_attn: false,
    pad_token_id: null,
    bos_token_id: 50256,
    eos_token_id: 50256,
    add_cross_attention: false,
    use_cache: true,
    tie_word_embeddings: true,
    output_attentions: false,
    output_hidden_states: false,
    id2label: { 0: 'LABEL_0', 1: 'LABEL_1' },
    label2id: { LABEL_0: 0, LABEL_1: 1 },
    problem_type: null,
    pruned_heads: {},
  });
  expect(config).toMatchObject({
    hidden_size: 768,
    num_hidden_layers: 12,
    num_attention_heads: 12,
    intermediate_size: 3072,
    max_position_embeddings: 1024,
    layer_norm_eps: 1e-5,
    is_decoder: true,
  });
  expect(gpt2Config({ n_inner: 100 }).intermediate_size).toBe(100);
});

test.each([
  [{ n_embd: 10, n_head: 4 }, 'config.json: n_embd (10) is not divisible by n_head (4)'],
  [{ n_layer: '2' }, 'n_layer: Invalid input: expected number, received string, found "2"'],
  [{ attn_pdrop: 1 }, 'attn_pdrop'],
  [{ activation_function: 'softsign' }, 'activation_function: Invalid option'],
  [{ add_cross_attention: true }, 'add_cross_attention: expected false, found true'],
  [{ model_type: 'gpt_neo' }, 'expected model_type gpt2, found "gpt_neo"'],
])('%j is refused', (fields, message) => {
  expect(() => gpt2Config(fields, 'config.json')).toThrow(InputError);
  expect(() => gpt2Config(fields, 'config.json')).toThrow(message);
});

test('sizes that ranks cannot share are refused', () => {
  expect(() => {
    checkTensorParallel(gpt2Config(), 2);
  }).toThrow('vocab_size (50257) is not divisible by the tensor-parallel size (2)');
});
