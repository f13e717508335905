/** Weights that a run may begin with, by transformers' names, whatever the layout is that they lie in. */
import { largestConfig, readJsonObject } from '../checkpoint/json-file.js';
import { numberOf } from '../checkpoint/megatron/arguments.js';
import { readMegatron } from '../checkpoint/megatron/read.js';
import { tokenTypeEmbeddings } from '../checkpoint/megatron/names.js';
import { openTrainingCheckpoint, type FoundCheckpoint } from '../checkpoint/training/read.js';
import { wordsOf } from '../convert/adapt.js';
import { bertFields } from '../convert/config.js';
import { transformersEntries } from '../convert/to-transformers.js';
import { InputError } from '../errors.js';
import { openModel } from '../hub/open-model.js';
import type { FindFile } from '../hub/repository.js';
import { pretrainingBlocks } from '../model/blocks.js';
import { megatronBertConfig, type TransformerConfig } from '../model/config.js';
import { gpt2Config } from '../model/gpt2-config.js';
import { partOf, type PartLayout } from '../partition.js';
import type { SizedEntry } from '../pretrained/model-files.js';
import { findWeights } from '../pretrained/stored-weights.js';
import { weightType } from '../pretrained/weight-files.js';
import { readPartOfValues } from '../pretrained/weight-values.js';
import { widened } from '../pretrained/widened.js';
import { declaredParameters } from './parameters.js';

/** Where they lie; plain data, for each rank to open. */
export type WeightSource =
  /** A folder, or the name of a model on the hub. */
  | { readonly layout: 'transformers'; readonly folder: string }
  | { readonly layout: 'megatron'; readonly name: string; readonly numAttentionHeads?: number }
  | { readonly layout: 'run'; readonly checkpoint: FoundCheckpoint };

export interface SourceTensor {
  readonly shape: readonly number[];
  /** As in safetensors. */
  readonly dtype: string;
  /** A rank's part, in fp32. */
  readonly read: (part: PartLayout) => Promise<Float32Array>;
}

/** A model of which only headers are read. */
export interface OpenedWeights {
  readonly config: TransformerConfig;
  /** Rows of the word embeddings that are no padding, where that is told. */
  readonly words?: number;
  /** In the order in which they lie there: reading in this order goes forwards. */
  readonly tensors: ReadonlyMap<string, SourceTensor>;
  /** What is not as one may expect. */
  readonly notes: readonly string[];
  readonly close: () => Promise<void>;
}

/** @throws InputError where it is no BERT, or not whole */
export function openWeights(source: WeightSource): Promise<OpenedWeights> {
  if (source.layout === 'transformers') return openModelFolder(source.folder);
  if (source.layout === 'megatron') return openMegatron(source.name, source.numAttentionHeads);
  return openRun(source.checkpoint);
}

async function openModelFolder(folder: string): Promise<OpenedWeights> {
  const find = await openModel(folder);
  const config = await readModelConfig(find, folder);
  const stored = await findWeights(find, folder);
  const tensors = [...stored].map(([name, { shape, dtype, weight }]): [string, SourceTensor] => [
    name,
    { shape, dtype, read: (part) => readPartOfValues(weight!, part) },
  ]);
  return { config, tensors: new Map(tensors), notes: [], close: () => Promise.resolve() };
}

/** Of a MegatronBERT, or a GPT-2. @throws InputError where there is none */
export async function readModelConfig(find: FindFile, source: string): Promise<TransformerConfig> {
  const file = await find('config.json');
  if (file === undefined) throw new InputError(`${source}: expected a model with a config.json, found none`);
  const fields = await readJsonObject(file, largestConfig);
  return fields.model_type === 'gpt2' ? gpt2Config(fields, file) : megatronBertConfig(fields, file);
}

async function openMegatron(name: string, numAttentionHeads?: number): Promise<OpenedWeights> {
  const { close, ...model } = await readMegatron(name, { numAttentionHeads });
  try {
    if (model.kind !== 'bert') throw new InputError(`${name}: expected a BERT, found a GPT-2`);
    const told = numberOf(model.arguments, 'vocab_size');
    return {
      config: megatronBertConfig(bertFields(model), name),
      ...(told !== undefined && told === wordsOf(model) && { words: told }),
      tensors: new Map(transformersEntries(model).map((entry) => [entry.name, tensorOf(entry)])),
      notes: [
        ...model.notes,
        ...(model.tensors.has(tokenTypeEmbeddings) ? [] : ['it has no token types: they begin as zeros']),
        ...(model.hasOptimizer ? ["its optimizer's state is not used: the run begins with its weights"] : []),
      ],
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function tensorOf({ shape, dtype, data }: SizedEntry): SourceTensor {
  const type = weightType(dtype)!;
  return {
    shape,
    dtype,
    async read(part) {
      const stored = typeof data === 'function' ? await data() : data;
      const bytes = new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
      return partOf(stored instanceof Float32Array ? stored : widened(bytes, type), part);
    },
  };
}

async function openRun(checkpoint: FoundCheckpoint): Promise<OpenedWeights> {
  const config = megatronBertConfig(checkpoint.manifest.run.config, checkpoint.folder);
  const opened = await openTrainingCheckpoint(checkpoint);
  const declared = declaredParameters(pretrainingBlocks(config, { predictionCount: 1 }));
  const tensors = [...declared].map(([name, parameter]): [string, SourceTensor] => [
    name,
    {
      shape: parameter.shape,
      dtype: 'F32',
      read: async (part) => partOf((await opened.read(name, parameter, [])).value, part),
    },
  ]);
  return { config, tensors: new Map(tensors), notes: [], close: () => opened.close() };
}
