/** Writes whole models as Megatron-LM's checkpoints, split for any number of ranks. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { InputError } from '../../errors.js';
import { iterationFolder, trackerName } from '../iteration-folders.js';
import { itemSize } from '../torch/tensor.js';
import type { Namespace } from '../torch/pickle.js';
import { createTorchFile, type PlainTensor, type TorchWriter } from '../torch/write.js';
import type { MegatronArguments, WholeModel, WholeTensor } from './model.js';
import {
  inModuleOrder,
  layerOf,
  positionEmbeddings,
  tiedCopy,
  wordEmbeddings,
  type MegatronName,
} from './names.js';
import { partShape, split } from './partition.js';
import type { CheckpointVersion } from './query-key-value.js';
import { trainingEntries } from './training-state.js';

export interface MegatronLayout {
  readonly version: CheckpointVersion;
  readonly tensorSize: number;
  readonly pipelineSize: number;
  /** Stores the command line as Megatron-LM does: as an object, which `torch.load` takes only with trust. */
  readonly withArguments: boolean;
}

/** @throws InputError naming the size that cannot be split so */
export function requireDivisible(
  { sizes }: WholeModel,
  { tensorSize, pipelineSize }: Pick<MegatronLayout, 'tensorSize' | 'pipelineSize'>,
): void {
  const checks: [name: string, size: number, by: number, what: string][] = [
    ['layers', sizes.layers, pipelineSize, 'pipeline stages'],
    ['attention heads', sizes.heads, tensorSize, 'tensor-parallel ranks'],
    ['units of the feed-forward layer', sizes.ffnHiddenSize, tensorSize, 'tensor-parallel ranks'],
    ['rows of the vocabulary', sizes.vocabulary, tensorSize, 'tensor-parallel ranks'],
  ];
  for (const [name, size, by, what] of checks)
    if (size % by !== 0) throw new InputError(`${size} ${name} cannot be shared out to ${by} ${what}`);
}

/** A rank's file while it is written, and its part of each tensor that it has. */
interface RankFile {
  readonly parts: ReadonlyMap<WholeTensor, PlainTensor>;
  readonly writer: TorchWriter;
}

/**
 * @param folder exists; the checkpoint and its tracker are made in it
 * @param onTensor called after each parameter
 * @returns the files' paths in the folder
 */
export async function writeMegatron(
  model: WholeModel,
  folder: string,
  layout: MegatronLayout,
  onTensor: (tensor: WholeTensor) => void = () => undefined,
): Promise<string[]> {
  requireDivisible(model, layout);
  const { tensorSize, pipelineSize, version } = layout;
  const { heads, layers } = model.sizes;
  const names = inModuleOrder(model.tensors.keys());
  const iteration = model.iteration === 'release' ? 'release' : iterationFolder(model.iteration);
  const written: string[] = [];
  const files: RankFile[][] = [];
  try {
    for (let stage = 0; stage < pipelineSize; stage++) {
      files.push([]);
      for (let rank = 0; rank < tensorSize; rank++) {
        const rankFolder = `mp_rank_${pad(rank, 2)}${pipelineSize > 1 ? `_${pad(stage, 3)}` : ''}`;
        const file = path.join(iteration, rankFolder, 'model_optim_rng.pt');
        await mkdir(path.join(folder, iteration, rankFolder), { recursive: true });
        const { parts, value } = rankValue(stageNames(names, stage, layers, pipelineSize), model, layout);
        files[stage]!.push({ parts, writer: await createTorchFile(path.join(folder, file), value) });
        written.push(file);
      }
    }
    for (const [name, tensor] of inFileOrder(allTensors(model))) {
      const whole = await tensor.read();
      const options = { name, shape: tensor.shape, itemSize: itemSize(tensor.dtype), heads, version };
      for (let rank = 0; rank < tensorSize; rank++) {
        const part = split(whole, rank, tensorSize, options);
        for (const ranks of files) {
          const plain = ranks[rank]!.parts.get(tensor);
          if (plain) await ranks[rank]!.writer.write(plain, part);
        }
      }
      onTensor(tensor);
    }
    for (const { writer } of files.flat()) await writer.finish();
  } catch (error) {
    for (const { writer } of files.flat()) await writer.abandon().catch(() => undefined);
    throw error;
  }
  await writeFile(path.join(folder, trackerName), String(model.iteration));
  return [...written, trackerName];
}

const pad = (value: number, digits: number) => String(value).padStart(digits, '0');

/** As the parameters lie in the files that they are read from, which are read forwards then. */
export const inFileOrder = <Name>(tensors: Iterable<readonly [Name, WholeTensor]>) =>
  [...tensors].sort(([, a], [, b]) => a.position - b.position);

/** The model's, and those that training goes on from. */
export const allTensors = ({ tensors, training }: WholeModel): (readonly [MegatronName, WholeTensor])[] =>
  [tensors, training?.exp_avg, training?.exp_avg_sq, training?.master].flatMap((named) => [...(named ?? [])]);

/** Embeddings are in the first stage, and their words in the last one again; norm and heads are in the last. */
function stageNames(
  names: readonly MegatronName[],
  stage: number,
  layers: number,
  stages: number,
): MegatronName[] {
  const perStage = layers / stages;
  return names.filter((name) => {
    const layer = layerOf(name);
    if (layer !== undefined) return Math.floor(Number(layer) / perStage) === stage;
    if (name === wordEmbeddings) return stage === 0 || stage === stages - 1;
    return name.startsWith('embedding.') ? stage === 0 : stage === stages - 1;
  });
}

/** The dictionary of one rank, as `torch.save` gets it. */
function rankValue(
  names: readonly MegatronName[],
  model: WholeModel,
  layout: MegatronLayout,
): { readonly parts: ReadonlyMap<WholeTensor, PlainTensor>; readonly value: Map<string, unknown> } {
  const parts = new Map<WholeTensor, PlainTensor>();
  const partOf = (name: MegatronName, whole: WholeTensor): PlainTensor => {
    const { dtype, shape } = whole;
    const part: PlainTensor = { kind: 'plain', dtype, shape: partShape(name, shape, layout.tensorSize) };
    parts.set(whole, part);
    return part;
  };
  const isFirst = names.includes(positionEmbeddings);
  // a later stage has the word embeddings as a copy
  const inStage = (name: MegatronName) => (name === wordEmbeddings && !isFirst ? tiedCopy : name);
  const inModel = (name: MegatronName) => (name === tiedCopy ? wordEmbeddings : name);
  const tensors = new Map(names.map((name) => [inStage(name), partOf(name, model.tensors.get(name)!)]));

  const { training, sizes, iteration } = model;
  const args = argumentsFor(model, layout);
  const namespace: Namespace = { kind: 'namespace', fields: args };
  const value = new Map<string, unknown>([
    ...(layout.withArguments ? ([['args', namespace]] as const) : ([['arguments', args]] as const)),
    ...(layout.version === 0 ? [] : ([['checkpoint_version', layout.version]] as const)),
    ['iteration', iteration === 'release' ? 0 : iteration],
    ['model', modelValue(tensors, layout, sizes.layers / layout.pipelineSize)],
    ...(training
      ? trainingEntries(training, [...tensors.keys()], (slot, name) => {
          const whole = inModel(name);
          return partOf(whole, training[slot]!.get(whole)!);
        })
      : []),
  ]);
  return { parts, value };
}

function modelValue(
  tensors: ReadonlyMap<MegatronName, PlainTensor>,
  { version }: MegatronLayout,
  layersPerStage: number,
): Map<string, unknown> {
  // the names of releases before 2.5, which later ones read too
  const isOld = version < 3;
  const [encoder, attention] = isOld ? ['transformer', 'attention'] : ['encoder', 'self_attention'];
  const languageModel = new Map<string, unknown>();
  const value = new Map<string, unknown>([['language_model', languageModel]]);
  const put = (parent: Map<string, unknown>, group: string, key: string, tensor: PlainTensor) => {
    const entries = (parent.get(group) ?? new Map()) as Map<string, unknown>;
    entries.set(key, tensor);
    parent.set(group, entries);
  };
  for (const [name, tensor] of tensors) {
    const [group, ...rest] = name.split('.') as [string, ...string[]];
    if (group === 'embedding') {
      const embedding = (languageModel.get('embedding') ?? new Map()) as Map<string, unknown>;
      put(embedding, rest[0]!, 'weight', tensor);
      languageModel.set('embedding', embedding);
    } else if (group === 'encoder') {
      const local = rest
        .join('.')
        .replace(/^layers\.(\d+)/, (_, layer) => `layers.${Number(layer) % layersPerStage}`)
        .replace('self_attention', attention);
      put(languageModel, encoder, local, tensor);
    } else put(group === 'pooler' ? languageModel : value, group, rest.join('.'), tensor);
  }
  return value;
}

/** The command line that such a checkpoint would have been trained with. */
function argumentsFor(
  { arguments: args, sizes, kind }: WholeModel,
  layout: MegatronLayout,
): MegatronArguments {
  const { hiddenSize, layers, heads, ffnHiddenSize, positions, vocabulary } = sizes;
  const { tensorSize, pipelineSize } = layout;
  return new Map<string, unknown>([
    ...args,
    ['num_layers', layers],
    ['hidden_size', hiddenSize],
    ['num_attention_heads', heads],
    ['ffn_hidden_size', ffnHiddenSize],
    ['kv_channels', hiddenSize / heads],
    ['max_position_embeddings', positions],
    ['seq_length', args.get('seq_length') ?? positions],
    ['padded_vocab_size', vocabulary],
    ['make_vocab_size_divisible_by', args.get('make_vocab_size_divisible_by') ?? 128],
    [
      'tokenizer_type',
      args.get('tokenizer_type') ?? (kind === 'bert' ? 'BertWordPieceLowerCase' : 'GPT2BPETokenizer'),
    ],
    ['tensor_model_parallel_size', tensorSize],
    ['pipeline_model_parallel_size', pipelineSize],
    ['model_parallel_size', tensorSize],
  ]);
}
