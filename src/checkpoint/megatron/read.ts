/** Reads Megatron-LM's checkpoints, of any release and number of partitions, as whole models. */
import { InputError } from '../../errors.js';
import { namespaceFields } from '../torch/known-values.js';
import { readTorch } from '../torch/read.js';
import { tensorByteLength, type TorchTensor } from '../torch/tensor.js';
import { budgetFor } from '../torch/unpickle.js';
import { numberOf, plainArguments, requireSupported } from './arguments.js';
import {
  isSpecificToBert,
  sizesOf,
  type MegatronArguments,
  type WholeModel,
  type WholeTensor,
} from './model.js';
import type { MegatronName } from './names.js';
import { checkpointVersionOf, type CheckpointVersion } from './query-key-value.js';
import { openMegatronSource, type MegatronSource } from './source.js';
import { chunksOf, gatherParts, wholeTensor, type Held } from './stages.js';
import { readTrainingState } from './training-state.js';

export interface ReadMegatronOptions {
  /** Of checkpoints that do not say it. */
  readonly numAttentionHeads?: number | undefined;
  /** Reads what training goes on from too, where it is there. */
  readonly withTraining?: boolean;
}

/** Of a model's bytes to those of its files. */
const largestRatio = 2;

/** A checkpoint, of which the numbers are still in its files. */
export interface MegatronCheckpoint extends WholeModel {
  readonly version: CheckpointVersion;
  readonly tensorSize: number;
  readonly pipelineSize: number;
  /** Bytes of all its files. */
  readonly byteLength: number;
  /** Whether its files hold what training goes on from, read or not. */
  readonly hasOptimizer: boolean;
  /** What had to be guessed. */
  readonly notes: readonly string[];
  readonly close: () => Promise<void>;
}

/** @throws InputError where the checkpoint is incomplete, or of another model than BERT or GPT-2 */
export async function readMegatron(
  name: string,
  options: ReadMegatronOptions = {},
): Promise<MegatronCheckpoint> {
  const source = await openMegatronSource(name);
  try {
    return { ...(await readSource(source, options)), close: source.close };
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function readSource(
  source: MegatronSource,
  { numAttentionHeads, withTraining = false }: ReadMegatronOptions,
): Promise<Omit<MegatronCheckpoint, 'close'>> {
  const { tensorSize, pipelineSize, partitions } = source;
  const byteLength = partitions.reduce((sum, { file }) => sum + file.size, 0);
  const budget = budgetFor(byteLength);
  const held = new Map<string, Held>();
  for (const { tensorRank, pipelineRank, file } of partitions) {
    const { value } = await readTorch(file, budget);
    if (!(value instanceof Map) || !isCheckpoint(value))
      throw new InputError(
        `${file.name}: no checkpoint of Megatron-LM: expected a dictionary with a "model"`,
      );
    held.set(`${tensorRank} ${pipelineRank}`, { file: file.name, checkpoint: value });
  }
  const at = (tensorRank: number, pipelineRank: number) => held.get(`${tensorRank} ${pipelineRank}`)!;
  const first = at(0, 0);
  const args = argumentsOf(first.checkpoint);
  requireSupported(args, first.file);
  requireAllPartitions(args, source, first.file);

  const stages = Array.from({ length: pipelineSize }, (_, pipelineRank) =>
    Array.from({ length: tensorSize }, (_, tensorRank) => {
      const rank = at(tensorRank, pipelineRank);
      return { held: rank, chunks: chunksOf(rank) };
    }),
  );
  const { parts, layers } = gatherParts(
    stages.map((stage) => stage.map(({ chunks }) => chunks)),
    first.file,
  );
  const notes: string[] = [];
  const hiddenSize = parts.get('embedding.position_embeddings.weight')?.[0]?.shape[1] ?? 0;
  const heads =
    numberOf(args, 'num_attention_heads') ?? numAttentionHeads ?? guessedHeads(hiddenSize, first.file, notes);
  const version = checkpointVersionOf(first.checkpoint.get('checkpoint_version'), first.file);
  if (!Number.isSafeInteger(heads) || heads < 1)
    throw new InputError(`${first.file}: num_attention_heads: expected a positive number, found ${heads}`);
  if (heads % tensorSize !== 0)
    throw new InputError(`${first.file}: ${heads} attention heads in ${tensorSize} partitions`);

  const whole = (name: MegatronName, tensorParts: readonly TorchTensor[]) =>
    wholeTensor(name, tensorParts, heads, version);
  const tensors = new Map([...parts].map(([name, tensorParts]) => [name, whole(name, tensorParts)]));
  const training = withTraining ? await readTrainingState(stages, whole) : undefined;
  requireHeld([tensors, training?.exp_avg, training?.exp_avg_sq, training?.master], byteLength, first.file);
  return {
    kind: [...tensors.keys()].some(isSpecificToBert) ? 'bert' : 'gpt2',
    sizes: sizesOf(tensors, layers, heads, first.file),
    arguments: args,
    iteration: iterationOf(first.checkpoint, source),
    tensors,
    ...(training && { training }),
    version,
    tensorSize,
    pipelineSize,
    byteLength,
    hasOptimizer: first.checkpoint.get('optimizer') instanceof Map,
    notes,
  };
}

/** Tensors that share their numbers are how small files become large models. */
function requireHeld(
  all: readonly (ReadonlyMap<MegatronName, WholeTensor> | undefined)[],
  byteLength: number,
  file: string,
): void {
  const tensors = all.flatMap((some) => [...(some?.values() ?? [])]);
  const total = tensors.reduce((sum, tensor) => sum + tensorByteLength(tensor), 0);
  if (total > largestRatio * byteLength)
    throw new InputError(`${file}: ${byteLength} bytes say that they hold ${total} of numbers`);
}

const isCheckpoint = (value: ReadonlyMap<unknown, unknown>) =>
  value.get('model') instanceof Map || value.get('model0') instanceof Map;

/** As Megatron-LM keeps them, or as plain data (which `torch.load` takes without trust). */
function argumentsOf(checkpoint: ReadonlyMap<unknown, unknown>): MegatronArguments {
  const plain = checkpoint.get('arguments');
  return plainArguments(
    namespaceFields(checkpoint.get('args')) ??
      (plain instanceof Map ? (plain as Map<unknown, unknown>) : new Map()),
  );
}

function iterationOf(
  checkpoint: ReadonlyMap<unknown, unknown>,
  { iteration }: MegatronSource,
): number | 'release' {
  const told = checkpoint.get('iteration') ?? checkpoint.get('total_iters');
  const isTold = Number.isSafeInteger(told) && (told as number) > 0;
  return iteration === 'release' && isTold ? (told as number) : iteration;
}

/** A single file of several is not the whole. */
function requireAllPartitions(
  args: MegatronArguments,
  { tensorSize, pipelineSize }: MegatronSource,
  file: string,
): void {
  const told = [
    numberOf(args, 'tensor_model_parallel_size', 'model_parallel_size') ?? tensorSize,
    numberOf(args, 'pipeline_model_parallel_size') ?? pipelineSize,
  ];
  if (told[0] !== tensorSize || told[1] !== pipelineSize)
    throw new InputError(
      `${file}: one of ${told.join(' × ')} partitions (tensor × pipeline), found ${tensorSize} × ${pipelineSize}: give the folder that has them all`,
    );
}

/** NVIDIA's BERT and GPT-2 of this time have heads of 64. */
function guessedHeads(hiddenSize: number, file: string, notes: string[]): number {
  if (hiddenSize === 0 || hiddenSize % 64 !== 0)
    throw new InputError(`${file}: does not say how many attention heads it has; give --num-attention-heads`);
  const heads = hiddenSize / 64;
  notes.push(
    `assumed ${heads} attention heads, of 64 each: the checkpoint does not say (--num-attention-heads)`,
  );
  return heads;
}
