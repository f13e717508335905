import { InputError, shown } from '../errors.js';
import type { MegatronBertConfig, TransformerConfig } from '../model/config.js';
import type { Gpt2Config } from '../model/gpt2-config.js';
import type { Mesh } from '../parallel/mesh.js';
import type { AnyTokenizer } from '../text/tokenizer-json.js';
import { checkBatches, checkSequenceParallel, resolveChunks, type MeshOptions } from './mesh-options.js';
import { resolveOptimizer, type OptimizerChoice } from './optimizer.js';
import type { PretrainEvent } from './events.js';
import type { PretrainTask } from './pretrain-rank.js';
import { recomputations, type Recomputation } from './recomputation.js';
import { sampleOptions, type Architecture } from './trained-model.js';
import { decayStyles, type BatchRampUp, type DecayStyle } from './schedule.js';
import type { WeightSource } from './weight-source.js';

export interface PretrainOptions extends OptimizerChoice, MeshOptions {
  /**
   * Text: what `preprocess` takes, files or folders. Or data sets that it made, by their prefixes; of several, each may
   * have its weight before it.
   */
  readonly corpus: string | readonly string[];
  /** A folder with a tokenizer's files. */
  readonly tokenizer: string;
  /** The folder of the run and of the model that comes out. */
  readonly output: string;
  /** `bert` by default, a `MegatronBertForPreTraining`; `gpt2` is a `GPT2LMHeadModel`. */
  readonly architecture?: Architecture;
  /** Fields of the model's configuration, by its own names; the vocabulary's size follows from the tokenizer. */
  readonly config?: Partial<MegatronBertConfig> | Partial<Gpt2Config>;
  readonly sequenceLength?: number;
  /** Sequences that are computed at once. */
  readonly microBatchSize?: number;
  /** Sequences of an update; a multiple of the micro-batch. */
  readonly globalBatchSize?: number;
  readonly trainIterations?: number;
  readonly learningRate?: number;
  readonly minLearningRate?: number;
  /** How the learning rate falls; in a straight line by default. */
  readonly learningRateDecayStyle?: DecayStyle;
  /** Iterations after which it is the least; all of them by default. */
  readonly decayIterations?: number;
  /** Fraction of those iterations in which the learning rate rises from zero. */
  readonly warmupFraction?: number;
  /** The same as a number of iterations. */
  readonly warmupIterations?: number;
  /** Lets the global batch grow: the first one's size, the increment, and the samples until it is whole. */
  readonly rampupBatchSize?: readonly [start: number, increment: number, samples: number];
  /** The vocabulary is padded to a multiple of this times the tensor-parallel size. */
  readonly makeVocabSizeDivisibleBy?: number;
  /** Shares of the documents for training, evaluation in between, and a test at the end; `949,50,1` by default. */
  readonly split?: string;
  /** Where indices of samples are kept, to be found by the next run; in the output folder by default. */
  readonly dataCachePath?: string;
  /** Of tokens, to be predicted; 0.15 by default. */
  readonly maskProbability?: number;
  /** Of samples that are made short; 0.1 by default. */
  readonly shortSequenceProbability?: number;
  /** Iterations between evaluations. */
  readonly evaluationInterval?: number;
  /** Held-out sequences in an evaluation. */
  readonly evaluationSequences?: number;
  readonly seed?: number;
  /** What is computed again for the backward pass, to need less memory; nothing by default. The numbers stay the same. */
  readonly recomputeActivations?: Recomputation;
  /** Threads that each rank computes with. */
  readonly threads?: number;
  /** Iterations between checkpoints; as many as between evaluations by default. */
  readonly saveInterval?: number;
  /** The newest checkpoints that are kept; 2 by default. */
  readonly keepLast?: number;
  /** Iterations of which multiples are kept for good. */
  readonly keepEvery?: number;
  /** Goes on from the newest checkpoint in the output folder; begins where there is none. */
  readonly resume?: boolean;
  /**
   * A model folder or a Megatron-LM checkpoint, with whose weights the run begins; or the folder of a run, which goes on
   * in the output folder. The model's architecture is taken from there.
   */
  readonly load?: string;
  /** Of a run too the weights only: the new one begins at iteration 0. */
  readonly finetune?: boolean;
  /** Batches that are skipped in a row, having no finite gradient or a spike of the loss, before the run ends; 10 by default. */
  readonly mostSkipped?: number;
  /** A batch is skipped whose loss is more than so many times the mean of the last 100 updates; none by default. */
  readonly lossSpikeFactor?: number;
  /** Ends the run, with a checkpoint, after an iteration that is a multiple of this. */
  readonly exitInterval?: number;
  /** Ends the run, with a checkpoint, after the iteration in which it is so many minutes old. */
  readonly exitDurationInMins?: number;
  /** Write into a folder that is not empty. */
  readonly overwriteOutputDir?: boolean;
  readonly onEvent?: (event: PretrainProgress) => void;
  /** Ends the run at once. */
  readonly signal?: AbortSignal;
  /** Ends the run after the iteration that it is in, with a checkpoint. */
  readonly stopSignal?: AbortSignal;
}

/** What `onEvent` is told. */
export type PretrainProgress =
  | PretrainEvent
  /** A checkpoint is on disk. */
  | { readonly kind: 'saved'; readonly iteration: number }
  | { readonly kind: 'resumed'; readonly iteration: number; readonly checkpoint: string }
  /** The weights that the run begins with, and how they are stored. */
  | { readonly kind: 'loaded'; readonly source: string; readonly layout: WeightSource['layout'] }
  /** What is not as one may expect. */
  | { readonly kind: 'warning'; readonly message: string }
  | { readonly kind: 'tokenizing'; readonly done: number; readonly total: number }
  | {
      readonly kind: 'ready';
      readonly iterations: number;
      readonly sequenceLength: number;
      readonly ranks: number;
      readonly parameters: number;
      readonly trainTokens: number;
      readonly heldOutTokens: number;
    };

/** All that ranks are told, but for the data. @throws InputError naming the option that cannot be used */
export function resolveTask(
  options: PretrainOptions,
  config: TransformerConfig,
  tokenizer: AnyTokenizer,
  mesh: Mesh,
): Omit<PretrainTask, 'data'> {
  const {
    sequenceLength = 128,
    microBatchSize = 8,
    globalBatchSize = microBatchSize * mesh.data,
    trainIterations = 1000,
    learningRate = 1e-4,
    minLearningRate = learningRate / 10,
    warmupFraction = 0.01,
    learningRateDecayStyle: decayStyle = 'linear',
    decayIterations = trainIterations,
    warmupIterations = Math.round(warmupFraction * decayIterations),
    rampupBatchSize,
    evaluationInterval = Math.max(1, Math.ceil(trainIterations / 10)),
    evaluationSequences = 128,
    saveInterval = evaluationInterval,
    mostSkipped = 10,
    lossSpikeFactor = Infinity,
    exitInterval = trainIterations,
    exitDurationInMins = Infinity,
    recomputeActivations = 'none',
    seed = 1234,
    threads = 1,
  } = options;
  for (const [name, value] of Object.entries({
    sequenceLength,
    microBatchSize,
    globalBatchSize,
    trainIterations,
    evaluationInterval,
    evaluationSequences,
    saveInterval,
    decayIterations,
    exitInterval,
    threads,
  }))
    if (!Number.isInteger(value) || value < 1)
      throw new InputError(`${name}: expected a positive integer, found ${value}`);
  if (sequenceLength < 8 || sequenceLength > config.max_position_embeddings)
    throw new InputError(
      `sequence length: expected 8 to ${config.max_position_embeddings} (max_position_embeddings), found ${sequenceLength}`,
    );
  for (const [name, value] of Object.entries({ learningRate, minLearningRate }))
    if (!(value >= 0 && value < Infinity))
      throw new InputError(`${name}: expected a number of 0 or more, found ${value}`);
  if (!(exitDurationInMins >= 0))
    throw new InputError(
      `exit duration in minutes: expected a number of 0 or more, found ${exitDurationInMins}`,
    );
  if (!(lossSpikeFactor > 0))
    throw new InputError(`loss-spike factor: expected a number above 0, found ${lossSpikeFactor}`);
  if (!(Number.isInteger(mostSkipped) && mostSkipped >= 0))
    throw new InputError(`mostSkipped: expected an integer of 0 or more, found ${mostSkipped}`);
  if (!(warmupFraction >= 0 && warmupFraction < 1))
    throw new InputError(
      `warm-up fraction: expected a number from 0 to less than 1, found ${warmupFraction}`,
    );
  if (options.warmupIterations !== undefined && options.warmupFraction !== undefined)
    throw new InputError('warm-up: expected iterations or a fraction, found both');
  if (!Number.isInteger(warmupIterations) || warmupIterations < 0 || warmupIterations >= decayIterations)
    throw new InputError(
      `warm-up iterations: expected fewer than the ${decayIterations} of the decay, found ${warmupIterations}`,
    );
  if (!decayStyles.includes(decayStyle))
    throw new InputError(
      `learning-rate decay style: expected ${decayStyles.join(', ')}, found ${shown(decayStyle)}`,
    );
  if (!recomputations.includes(recomputeActivations))
    throw new InputError(
      `recompute activations: expected ${recomputations.join(', ')}, found ${shown(recomputeActivations)}`,
    );
  const batches = {
    globalBatchSize,
    microBatchSize,
    ...(rampupBatchSize && { rampUp: resolveRampUp(rampupBatchSize, globalBatchSize) }),
  };
  const chunks = resolveChunks(options, mesh, config);
  checkBatches(batches, mesh, chunks);
  checkSequenceParallel(options, mesh, microBatchSize * sequenceLength);
  return {
    config,
    samples: sampleOptions(options, tokenizer, sequenceLength, seed),
    batches,
    trainIterations,
    evaluationInterval,
    evaluationBatches: Math.ceil(evaluationSequences / microBatchSize),
    schedule: {
      learningRate,
      minLearningRate,
      warmupIterations,
      decayIterations,
      decayStyle,
    },
    optimizer: resolveOptimizer(options),
    recomputeActivations,
    sequenceParallel: options.sequenceParallel ?? false,
    chunks,
    sharesOptimizer: options.useDistributedOptimizer === true && mesh.data > 1,
    threads,
    folder: options.output,
    saveInterval,
    mostSkipped,
    lossSpikeFactor,
    exitInterval,
    exitTime: Date.now() + 60_000 * exitDurationInMins,
    stop: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
  };
}

/** @throws InputError where the batch cannot grow so */
function resolveRampUp(
  [start, increment, samples]: readonly [number, number, number],
  globalBatchSize: number,
): BatchRampUp {
  const whole = [start, increment, samples].every((value) => Number.isInteger(value) && value > 0);
  if (!whole || start > globalBatchSize || (globalBatchSize - start) % increment !== 0)
    throw new InputError(
      `batch ramp-up: expected a start, an increment that divides ${globalBatchSize} less the start, and samples, found ${[start, increment, samples].join(' ')}`,
    );
  return { start, increment, samples };
}
