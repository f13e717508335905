/** What a checkpoint, an archive, a file of weights, a model folder or a data set holds; nothing in it is executed. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { openFile, readBytes, type ByteSource } from '../checkpoint/byte-source.js';
import { largestConfig, readJsonObject } from '../checkpoint/json-file.js';
import type { ModelSizes } from '../checkpoint/megatron/model.js';
import { readMegatron } from '../checkpoint/megatron/read.js';
import { openMegatronSource } from '../checkpoint/megatron/source.js';
import { readSafetensors } from '../checkpoint/safetensors.js';
import { isHarmless } from '../checkpoint/torch/known-values.js';
import { readTorch } from '../checkpoint/torch/read.js';
import { elementsOf } from '../checkpoint/torch/tensor.js';
import { InputError } from '../errors.js';
import { datasetPrefix, inspectDataset, type InspectedDataset } from './dataset.js';
import { treeOf, type TreeNode } from './tree.js';

export interface InspectedFile {
  readonly name: string;
  readonly bytes: number;
  readonly format: 'safetensors' | 'torch, zip' | 'torch, legacy';
  readonly content: TreeNode;
  /** Numbers in all tensors, of which some may be shared. */
  readonly parameters: number;
  /** Classes and functions that it names and that plain weights do not need. */
  readonly suspicious: readonly string[];
}

/** What Megatron-LM would find. */
export interface InspectedCheckpoint {
  readonly model: 'bert' | 'gpt2';
  readonly checkpoint_version: number;
  readonly iteration: number | 'release';
  readonly tensor_model_parallel_size: number;
  readonly pipeline_model_parallel_size: number;
  readonly parameters: number;
  readonly sizes: ModelSizes;
}

export interface Inspection {
  readonly source: string;
  readonly files: readonly InspectedFile[];
  /** Of a Megatron-LM checkpoint that is whole. */
  readonly checkpoint?: InspectedCheckpoint;
  /** Of a model folder. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Of a data set. */
  readonly dataset?: InspectedDataset;
  /** Why it cannot be used as it is. */
  readonly problem?: string;
}

/** @throws InputError for what is neither of these */
export async function inspect(source: string): Promise<Inspection> {
  const prefix = await datasetPrefix(source);
  if (prefix !== undefined) return { source, files: [], dataset: await inspectDataset(prefix) };
  const status = await stat(source).catch((error: unknown) => {
    throw new InputError(`${source}: cannot be opened: ${(error as Error).message}`, { cause: error });
  });
  if (!status.isDirectory())
    return (await isSafetensors(source)) ? inspectWeights(source, [source]) : inspectCheckpoint(source);
  const names = await readdir(source);
  const weights = names.filter((name) => /\.safetensors$|^pytorch_model.*\.bin$/.test(name)).sort();
  if (weights.length === 0) return inspectCheckpoint(source);
  const found = await inspectWeights(
    source,
    weights.map((name) => path.join(source, name)),
  );
  return names.includes('config.json')
    ? { ...found, config: await readJsonObject(path.join(source, 'config.json'), largestConfig) }
    : found;
}

/** By what stands after the length of its header. */
async function isSafetensors(name: string): Promise<boolean> {
  const file = await openFile(name);
  try {
    return file.size > 8 && (await readBytes(file, 8, 1)).toString() === '{';
  } finally {
    await file.close();
  }
}

async function inspectWeights(source: string, names: readonly string[]): Promise<Inspection> {
  const files: InspectedFile[] = [];
  for (const name of names) {
    if (name.endsWith('.bin')) {
      const file = await openFile(name);
      files.push(await inspectTorch(file).finally(file.close));
    } else files.push(await inspectSafetensors(name));
  }
  return { source, files };
}

async function inspectCheckpoint(source: string): Promise<Inspection> {
  const { partitions, close } = await openMegatronSource(source);
  const files: InspectedFile[] = [];
  try {
    for (const { file } of partitions) files.push(await inspectTorch(file));
  } finally {
    await close();
  }
  if (!files.some(({ content }) => hasModel(content))) return { source, files };
  try {
    const model = await readMegatron(source);
    await model.close();
    const { kind, sizes, version, iteration, tensorSize, pipelineSize, tensors } = model;
    const parameters = [...tensors.values()].reduce((sum, { shape }) => sum + elementsOf(shape), 0);
    const checkpoint: InspectedCheckpoint = {
      model: kind,
      checkpoint_version: version,
      iteration,
      tensor_model_parallel_size: tensorSize,
      pipeline_model_parallel_size: pipelineSize,
      parameters,
      sizes,
    };
    return { source, files, checkpoint };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { source, files, problem: error.message };
  }
}

const hasModel = (content: TreeNode) =>
  'children' in content && content.children.some(({ name }) => /^model0?$/.test(name));

async function inspectTorch(file: ByteSource): Promise<InspectedFile> {
  const { value, format, globals } = await readTorch(file);
  const content = treeOf(path.basename(file.name), value);
  return {
    name: file.name,
    bytes: file.size,
    format: format === 'zip' ? 'torch, zip' : 'torch, legacy',
    content,
    parameters: parametersIn(content),
    suspicious: [...globals].filter((name) => !isHarmless(name)).sort(),
  };
}

async function inspectSafetensors(name: string): Promise<InspectedFile> {
  const { size } = await stat(name);
  const { tensors, metadata, close } = await readSafetensors(name);
  await close();
  const children: TreeNode[] = [...tensors].map(([tensor, { dtype, shape }]) => ({
    name: tensor,
    dtype,
    shape,
  }));
  if (metadata.size > 0) children.push(treeOf('__metadata__', metadata));
  const content: TreeNode = { name: path.basename(name), children };
  return {
    name,
    bytes: size,
    format: 'safetensors',
    content,
    parameters: parametersIn(content),
    suspicious: [],
  };
}

function parametersIn(node: TreeNode): number {
  if ('shape' in node) return elementsOf(node.shape);
  return 'children' in node ? node.children.reduce((sum, child) => sum + parametersIn(child), 0) : 0;
}
