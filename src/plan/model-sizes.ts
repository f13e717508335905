/** The models that can be planned for: by name, by a configuration, or by sizes. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { largestConfig, readJsonObject } from '../checkpoint/json-file.js';
import { InputError, shown } from '../errors.js';
import { megatronBertConfig, type TransformerConfig } from '../model/config.js';
import { gpt2Config } from '../model/gpt2-config.js';
import type { Architecture } from '../train/trained-model.js';

export interface PlannedModel {
  readonly name: string;
  readonly architecture: Architecture;
  /** `vocab_size` is that of the tokenizer: rows are added to it as the tensor-parallel ranks need them. */
  readonly config: TransformerConfig;
  readonly sequenceLength: number;
}

export interface ModelSizes {
  readonly architecture?: Architecture | undefined;
  readonly layers: number;
  readonly hiddenSize: number;
  readonly heads: number;
  /** Width of the MLP; four times the hidden size where it is left out. */
  readonly ffnHiddenSize?: number | undefined;
  readonly vocabSize?: number | undefined;
  readonly sequenceLength?: number | undefined;
}

const gpt = (layers: number, hiddenSize: number, heads: number, sequenceLength = 1024): ModelSizes => ({
  architecture: 'gpt2',
  ...{ layers, hiddenSize, heads, sequenceLength },
  // as in the papers: 50,257 and what eight ranks need
  vocabSize: 51200,
});
const bert = (layers: number, hiddenSize: number, heads: number): ModelSizes => ({
  architecture: 'bert',
  ...{ layers, hiddenSize, heads },
  sequenceLength: 512,
  vocabSize: 30522,
});

/** arXiv 1909.08053, tables 1, 2 and 4, and arXiv 2104.04473, table 1. */
export const namedModels: Readonly<Record<string, ModelSizes>> = {
  'bert-base': bert(12, 768, 12),
  'bert-large': bert(24, 1024, 16),
  'megatron-bert-345m': bert(24, 1024, 16),
  'megatron-bert-1.3b': bert(24, 2048, 32),
  'megatron-bert-3.9b': bert(48, 2560, 40),
  'gpt2-355m': gpt(24, 1024, 16),
  'gpt2-1.2b': gpt(40, 1536, 16),
  'gpt2-2.5b': gpt(54, 1920, 20),
  'gpt2-4.2b': gpt(64, 2304, 24),
  'gpt2-8.3b': gpt(72, 3072, 32),
  'gpt-1.7b': gpt(24, 2304, 24, 2048),
  'gpt-3.6b': gpt(30, 3072, 32, 2048),
  'gpt-7.5b': gpt(36, 4096, 32, 2048),
  'gpt-18b': gpt(40, 6144, 48, 2048),
  'gpt-39b': gpt(48, 8192, 64, 2048),
  'gpt-76b': gpt(60, 10240, 80, 2048),
  'gpt-145b': gpt(80, 12288, 96, 2048),
  'gpt-310b': gpt(96, 16384, 128, 2048),
  'gpt-530b': gpt(105, 20480, 128, 2048),
  'gpt-1t': gpt(128, 25600, 160, 2048),
};

/** @throws InputError for sizes that do not go together */
export function modelOfSizes(sizes: ModelSizes, name: string): PlannedModel {
  const { architecture = 'bert', layers, hiddenSize, heads, ffnHiddenSize = 4 * hiddenSize } = sizes;
  const { vocabSize = architecture === 'bert' ? 30522 : 50257 } = sizes;
  const { sequenceLength = architecture === 'bert' ? 512 : 1024 } = sizes;
  const config =
    architecture === 'bert'
      ? megatronBertConfig(
          {
            vocab_size: vocabSize,
            hidden_size: hiddenSize,
            num_hidden_layers: layers,
            num_attention_heads: heads,
            intermediate_size: ffnHiddenSize,
            max_position_embeddings: sequenceLength,
          },
          name,
        )
      : gpt2Config(
          {
            vocab_size: vocabSize,
            n_embd: hiddenSize,
            n_layer: layers,
            n_head: heads,
            n_inner: ffnHiddenSize,
            n_positions: sequenceLength,
          },
          name,
        );
  return { name, architecture, config, sequenceLength };
}

/**
 * @param nameOrPath one of `namedModels`, a model folder, or its `config.json`
 * @param sequenceLength where it is not to be the longest that the model takes
 * @throws InputError where it is none of them, or says nothing that can be planned
 */
export async function readModel(nameOrPath: string, sequenceLength?: number): Promise<PlannedModel> {
  const named = Object.hasOwn(namedModels, nameOrPath) ? namedModels[nameOrPath] : undefined;
  if (named) {
    const { sequenceLength: longest } = named;
    return modelOfSizes({ ...named, sequenceLength: sequenceLength ?? longest }, nameOrPath);
  }
  const file = await configFile(nameOrPath);
  const fields = await readJsonObject(file, largestConfig);
  const isGpt2 = fields.model_type === 'gpt2';
  const config = isGpt2 ? gpt2Config(fields, file) : megatronBertConfig(fields, file);
  const longest = config.max_position_embeddings;
  if ((sequenceLength ?? 0) > longest)
    throw new InputError(`sequence length: expected at most ${longest} (${file}), found ${sequenceLength}`);
  return {
    name: nameOrPath,
    architecture: isGpt2 ? 'gpt2' : 'bert',
    config,
    sequenceLength: sequenceLength ?? longest,
  };
}

async function configFile(nameOrPath: string): Promise<string> {
  const found = await stat(nameOrPath).catch(() => undefined);
  if (found?.isDirectory()) return path.join(nameOrPath, 'config.json');
  if (found) return nameOrPath;
  throw new InputError(
    `model: expected ${Object.keys(namedModels).join(', ')}, a model folder or a config.json, found ${shown(nameOrPath)}`,
  );
}

/** Rows of the word embeddings: a multiple of 128 for each tensor-parallel rank, as Megatron-LM has them. */
export function paddedFor({ config }: PlannedModel, tensor: number): TransformerConfig {
  const multiple = 128 * tensor;
  return { ...config, vocab_size: Math.ceil(config.vocab_size / multiple) * multiple };
}
