/** Which model is trained, and on what samples. */
import { specialTokens } from '../data/pretraining/bert-samples.js';
import { maximumPredictions } from '../data/pretraining/masking.js';
import type { SampleKind } from '../data/pretraining/prepare.js';
import { InputError, shown } from '../errors.js';
import { checkTensorParallel, megatronBertConfig, type TransformerConfig } from '../model/config.js';
import { gpt2Config } from '../model/gpt2-config.js';
import type { AnyTokenizer } from '../text/tokenizer-json.js';
import type { SampleOptions } from './objectives/objective.js';
import type { PretrainOptions } from './pretrain-options.js';

/** What can be pretrained, and the classes that transformers has for it. */
export const architectures = { bert: 'MegatronBertForPreTraining', gpt2: 'GPT2LMHeadModel' } as const;
export type Architecture = keyof typeof architectures;

const tokenizerTypes = { bert: 'WordPiece', gpt2: 'BPE' } as const;

/** @throws InputError for sizes that do not fit the tokenizer or the ranks */
export function resolveConfig(
  options: PretrainOptions,
  tokenizer: AnyTokenizer,
  ranks: number,
): TransformerConfig {
  const { architecture = 'bert' } = options;
  if (!Object.hasOwn(architectures, architecture))
    throw new InputError(
      `architecture: expected ${Object.keys(architectures).join(' or ')}, found ${shown(architecture)}`,
    );
  if (tokenizer.type !== tokenizerTypes[architecture])
    throw new InputError(
      `${options.tokenizer}: expected a ${tokenizerTypes[architecture]} tokenizer for the architecture ${architecture}, found ${tokenizer.type}`,
    );
  if (!Number.isInteger(ranks) || ranks < 1)
    throw new InputError(`tensor-parallel size: expected a positive integer, found ${ranks}`);
  const multiple = (options.makeVocabSizeDivisibleBy ?? 128) * ranks;
  const { sequenceLength = 128 } = options;
  const common = {
    architectures: [architectures[architecture]],
    torch_dtype: 'float32',
    vocab_size: Math.ceil(tokenizer.vocabSize / multiple) * multiple,
  };
  const config =
    tokenizer.type === 'WordPiece'
      ? megatronBertConfig({
          ...common,
          pad_token_id: tokenizer.tokens.pad,
          max_position_embeddings: sequenceLength,
          // what Megatron-LM trains with; transformers' own default of 1e-12 suits inference only
          layer_norm_eps: 1e-5,
          ...options.config,
        })
      : gpt2Config({
          ...common,
          bos_token_id: tokenizer.tokens.eos,
          eos_token_id: tokenizer.tokens.eos,
          n_positions: sequenceLength,
          ...options.config,
        });
  if (config.vocab_size < tokenizer.vocabSize)
    throw new InputError(
      `vocab_size (${config.vocab_size}) is smaller than the tokenizer's vocabulary (${tokenizer.vocabSize})`,
    );
  checkTensorParallel(config, ranks);
  return config;
}

/** @throws InputError naming the option that cannot be used */
export function sampleOptions(
  { maskProbability = 0.15 }: PretrainOptions,
  tokenizer: AnyTokenizer,
  sequenceLength: number,
  seed: number,
): SampleOptions {
  const { vocabSize } = tokenizer;
  if (tokenizer.type === 'BPE') return { kind: 'gpt', sequenceLength, seed, vocabSize };
  if (
    !(maskProbability > 0 && maskProbability <= 1) ||
    maximumPredictions(sequenceLength, maskProbability) < 1
  )
    throw new InputError(
      `mask probability: expected one that hides a token of ${sequenceLength} or more, up to 1, found ${maskProbability}`,
    );
  const isContinuation = Uint8Array.from({ length: vocabSize }, (_, id) =>
    Number(tokenizer.isContinuation(id)),
  );
  const { tokens } = tokenizer;
  return { kind: 'bert', sequenceLength, seed, maskProbability, vocabSize, tokens, isContinuation };
}

/** How text is cut into samples. @throws InputError naming the option that cannot be used */
export function sampleKind(
  { kind, sequenceLength, seed }: SampleOptions,
  { shortSequenceProbability = 0.1 }: PretrainOptions,
): SampleKind {
  if (kind === 'gpt') return { kind, sequenceLength, seed };
  if (!(shortSequenceProbability >= 0 && shortSequenceProbability <= 1))
    throw new InputError(
      `short-sequence probability: expected a number from 0 to 1, found ${shortSequenceProbability}`,
    );
  return { kind, longest: sequenceLength - specialTokens, shortSequenceProbability, seed };
}
