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
    bos_token_id: null,
    eos_token_id: null,
    position_embedding_type: 'absolute',
    is_decoder: false,
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
});

test('labels come by number or by name', () => {
  expect(megatronBertConfig({ num_labels: 3 }).id2label).toEqual({
    0: 'LABEL_0',
    1: 'LABEL_1',
    2: 'LABEL_2',
  });
  expect(megatronBertConfig({ id2label: { 0: 'no', 1: 'yes' } }).label2id).toEqual({ no: 0, yes: 1 });
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
  [{ hidden_act: 'softsign' }, 'hidden_act: Invalid option'],
  [{ add_cross_attention: true }, 'add_cross_attention needs is_decoder'],
  [{ id2label: { 0: 'no', 2: 'yes' } }, 'id2label: expected the numbers 0 to 1, found 0, 2'],
  [{ num_labels: 3, id2label: { 0: 'no' } }, 'num_labels is 3, and id2label has 1 labels'],
  [{ model_type: 'bert' }, 'expected model_type megatron-bert, found "bert"'],
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
