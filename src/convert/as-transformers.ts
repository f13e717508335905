/**
 * Exactly what transformers' `convert_megatron_bert_checkpoint.py` and `convert_megatron_gpt2_checkpoint.py` make of
 * a checkpoint: their configurations' defaults, tied parameters twice, GPT-2's masks as parameters.
 */
import path from 'node:path';
import type { WholeModel } from '../checkpoint/megatron/model.js';
import { tokenTypeEmbeddings, type MegatronName } from '../checkpoint/megatron/names.js';
import { createTorchFile, type PlainTensor } from '../checkpoint/torch/write.js';
import { InputError } from '../errors.js';
import type { SizedEntry } from '../pretrained/model-files.js';
import type { ConfigFields } from './config.js';
import { bertFields, gpt2Fields } from './config.js';
import { transformersEntries } from './to-transformers.js';

/** Beyond which GPT-2's masks, which are this many twice over in each layer, are larger than models. */
const mostPositions = 4096;

/** @throws InputError where that script ends with an error, or makes masks of gigabytes */
export function requireConvertible({ kind, tensors, sizes }: WholeModel, source: string): void {
  if (kind === 'gpt2' && sizes.positions > mostPositions)
    throw new InputError(
      `${source}: masks of ${sizes.positions} × ${sizes.positions} positions in each layer; convert without --as-transformers`,
    );
  const needed: readonly MegatronName[] =
    kind === 'gpt2' ? [] : [tokenTypeEmbeddings, 'pooler.dense.weight', 'lm_head.bias', 'binary_head.weight'];
  const missing = needed.filter((name) => !tensors.has(name));
  if (missing.length > 0)
    throw new InputError(
      `${source}: transformers' script needs ${missing.join(', ')}; convert without --as-transformers`,
    );
}

export function fieldsAsTransformers(model: WholeModel): ConfigFields {
  const { arguments: args } = model;
  if (model.kind === 'bert') {
    const { tokenizer_type } = bertFields(model);
    return {
      ...bertFields(model),
      hidden_act: 'gelu',
      layer_norm_eps: 1e-12,
      hidden_dropout_prob: 0.1,
      attention_probs_dropout_prob: 0.1,
      initializer_range: 0.02,
      type_vocab_size: 2,
      ...(args.has('tokenizer_type') && { tokenizer_type }),
    };
  }
  const isFused = args.get('bias_gelu_fusion') === true;
  const isTanh = args.get('openai_gelu') === true || args.size === 0;
  return {
    ...gpt2Fields(model),
    activation_function: isFused ? 'gelu_fast' : isTanh ? 'gelu_new' : 'gelu',
    layer_norm_epsilon: 1e-5,
    resid_pdrop: 0.1,
    embd_pdrop: 0.1,
    attn_pdrop: 0.1,
    initializer_range: 0.02,
    summary_type: 'cls_index',
    summary_use_proj: true,
    summary_activation: null,
    summary_proj_to_labels: true,
    summary_first_dropout: 0.1,
    bos_token_id: 50256,
    eos_token_id: 50256,
  };
}

/** Writes `pytorch_model.bin`. @returns its name */
export async function writeAsTransformers(
  model: WholeModel,
  folder: string,
  onTensor: (byteLength: number) => void,
): Promise<string[]> {
  const entries = [...transformersEntries(model), ...(model.kind === 'gpt2' ? masks(model) : [])];
  const plain = new Map(
    entries.map(({ name, dtype, shape }): [string, PlainTensor] => [
      name,
      { kind: 'plain', dtype: dtype as PlainTensor['dtype'], shape },
    ]),
  );
  const [words, tied] =
    model.kind === 'bert'
      ? ['bert.embeddings.word_embeddings.weight', 'cls.predictions.decoder.weight']
      : ['transformer.wte.weight', 'lm_head.weight'];
  const writer = await createTorchFile(
    path.join(folder, 'pytorch_model.bin'),
    new Map([...plain, [tied, plain.get(words)!]]),
  );
  try {
    for (const { name, data, byteLength } of entries) {
      const values = typeof data === 'function' ? await data() : data;
      await writer.write(
        plain.get(name)!,
        new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
      );
      onTensor(byteLength);
    }
    await writer.finish();
  } catch (error) {
    await writer.abandon().catch(() => undefined);
    throw error;
  }
  return ['pytorch_model.bin'];
}

const one = 0x3c00;
const minusTenThousand = 0xf0e2;

/** In every layer a triangle of ones, and what it masks with; in 16 bits. */
function masks({ sizes: { layers, positions } }: WholeModel): SizedEntry[] {
  const triangle = () =>
    Uint16Array.from({ length: positions * positions }, (_, i) =>
      i % positions <= Math.floor(i / positions) ? one : 0,
    );
  return Array.from({ length: layers }, (_, layer): SizedEntry[] => [
    {
      name: `transformer.h.${layer}.attn.bias`,
      dtype: 'F16',
      shape: [1, 1, positions, positions],
      byteLength: 2 * positions * positions,
      data: triangle,
    },
    {
      name: `transformer.h.${layer}.attn.masked_bias`,
      dtype: 'F16',
      shape: [],
      byteLength: 2,
      data: () => Uint16Array.of(minusTenThousand),
    },
  ]).flat();
}

/** Their script keeps the rows that the configuration has; without arguments that of OpenAI's vocabulary. */
export const rowsAsTransformers = ({ kind, arguments: args, sizes }: WholeModel): number =>
  kind === 'gpt2' && args.size === 0 ? Math.min(50257, sizes.vocabulary) : sizes.vocabulary;
