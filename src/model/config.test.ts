import { expect, test } from 'vitest';
import { InputError } from '../errors.js';
import { checkTensorParallel, megatronBertConfig } from './config.js';

test("transformers' defaults", () => {
  expect(megatronBertConfig()).toEqual({
    model_type: 'megatron-bert',
    vocab_size: 29056,
    hidden_size: 1024,
    num_hidden_layers: 24,
    num_attention_heads: 16,
    intermediate_size: 4096,
    hidden_act: 'gelu',
    hidden_dropout_prob: 0.1,
    attention_probs_dropout_prob: 0.1,
    max_position_embeddings: 512,
    type_vocab_size: 2,
    initializer_range: 0.02,
    layer_norm_eps: 1e-12,
    pad_token_id: 0,
    position_embedding_type: 'absolute',
    is_decoder: false,
    tie_word_embeddings: true,
  });
});

test('fields that are not known are kept', () => {
  expect(megatronBertConfig({ tokenizer_type: 'BertWordPieceCase' }).tokenizer_type).toBe(
    'BertWordPieceCase',
  );
});

test.each([
  [
    { hidden_size: 10, num_attention_heads: 4 },
    'hidden_size (10) is not divisible by num_attention_heads (4)',
  ],
  [
    { hidden_size: '10' },
    'config.json: hidden_size: Invalid input: expected number, received string, found "10"',
  ],
  [{ hidden_dropout_prob: 1 }, 'hidden_dropout_prob'],
  [{ num_hidden_layers: 0 }, 'num_hidden_layers'],
  [{ model_type: 'bert' }, 'expected model_type megatron-bert, found bert'],
])('%j is refused', (fields, message) => {
  expect(() => megatronBertConfig(fields, 'config.json')).toThrow(InputError);
  expect(() => megatronBertConfig(fields, 'config.json')).toThrow(message);
});

test('sizes that ranks cannot share are refused', () => {
  const config = megatronBertConfig({ num_attention_heads: 16, vocab_size: 30592 });
  expect(() => {
    checkTensorParallel(config, 4);
  }).not.toThrow();
  expect(() => {
    checkTensorParallel(config, 3);
  }).toThrow('num_attention_heads (16) is not divisible by the tensor-parallel size (3)');
});
