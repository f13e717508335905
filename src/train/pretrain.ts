import { appendFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { readDocuments } from '../data/corpus.js';
import {
  splitCorpus,
  tokenizeCorpus,
  unigramEntropy,
  type TokenizedCorpus,
} from '../data/tokenized-corpus.js';
import { InputError } from '../errors.js';
import { sizeOf } from '../graph/value.js';
import { pretrainingBlocks } from '../model/blocks.js';
import { checkTensorParallel, megatronBertConfig, type MegatronBertConfig } from '../model/config.js';
import { launchRanks } from '../parallel/launch.js';
import { readTokenizer, writeTokenizer, type Tokenizer } from '../text/tokenizer.js';
import { lossCurve, type LossPoint } from './loss-curve.js';
import { modelCard } from './model-card.js';
import { defaultOptimizer, type OptimizerOptions } from './optimizer.js';
import { declaredParameters } from './parameters.js';
import type { PretrainEvent, PretrainRankResult, PretrainTask } from './pretrain-rank.js';

export interface PretrainOptions extends Partial<OptimizerOptions> {
  /** A text file, a JSON-lines file or a folder of them. */
  readonly corpus: string;
  /** A folder with a tokenizer's files. */
  readonly tokenizer: string;
  /** The folder of the run and of the model that comes out. */
  readonly output: string;
  /** Fields of the model's configuration; the vocabulary's size follows from the tokenizer. */
  readonly config?: Partial<MegatronBertConfig>;
  readonly tensorModelParallelSize?: number;
  readonly sequenceLength?: number;
  /** Sequences that are computed at once. */
  readonly microBatchSize?: number;
  /** Sequences of an update; a multiple of the micro-batch. */
  readonly globalBatchSize?: number;
  readonly trainIterations?: number;
  readonly learningRate?: number;
  readonly minLearningRate?: number;
  /** Fraction of the iterations in which the learning rate rises from zero. */
  readonly warmupFraction?: number;
  /** The vocabulary is padded to a multiple of this times the tensor-parallel size. */
  readonly makeVocabSizeDivisibleBy?: number;
  /** Fraction of the text that is kept for evaluation. */
  readonly heldOutFraction?: number;
  /** Iterations between evaluations. */
  readonly evaluationInterval?: number;
  /** Held-out sequences in an evaluation. */
  readonly evaluationSequences?: number;
  readonly seed?: number;
  /** Threads that each rank computes with. */
  readonly threads?: number;
  /** Write into a folder that is not empty. */
  readonly overwriteOutputDir?: boolean;
  readonly onEvent?: (event: PretrainProgress) => void;
  readonly signal?: AbortSignal;
}

export type PretrainProgress =
  | PretrainEvent
  | { readonly kind: 'tokenizing'; readonly done: number; readonly total: number }
  | {
      readonly kind: 'ready';
      readonly iterations: number;
      readonly ranks: number;
      readonly parameters: number;
      readonly trainTokens: number;
      readonly heldOutTokens: number;
    };

/** What `summary.json` holds: losses in nats per masked token, accuracies as fractions. */
export interface PretrainSummary {
  readonly initial_loss: number;
  readonly heldout_loss: number;
  /** Of the held-out text under the training text's word counts: what knowing no context would give. */
  readonly unigram_entropy: number;
  readonly masked_accuracy_before: number;
  readonly masked_accuracy_after: number;
  readonly vocab_size: number;
  readonly iterations: number;
  readonly seconds: number;
  readonly tokens_per_second: number;
  readonly ranks: number;
}

/**
 * Pretrains a `MegatronBertForPreTraining` on text, split over `tensorModelParallelSize` threads of this
 * process, and writes a model folder that transformers loads, with `log.jsonl`, `loss.svg` and `summary.json`.
 *
 * @throws InputError for options, a corpus or a tokenizer that cannot be used; nothing was written then
 */
export async function pretrain(options: PretrainOptions): Promise<PretrainSummary> {
  const started = performance.now();
  const { output, tensorModelParallelSize: ranks = 1, onEvent } = options;
  const tokenizer = await readTokenizer(options.tokenizer);
  const config = resolveConfig(options, tokenizer, ranks);
  const documents = await readDocuments(options.corpus);
  const corpus = tokenizeCorpus(documents, tokenizer, (done, total) =>
    onEvent?.({ kind: 'tokenizing', done, total }),
  );
  const { train, heldOut } = splitCorpus(corpus, options.heldOutFraction ?? 0.05);
  const task = resolveTask(options, config, tokenizer, { train, heldOut });
  await openOutput(output, options.overwriteOutputDir ?? false);

  onEvent?.({
    kind: 'ready',
    iterations: task.trainIterations,
    ranks,
    parameters: countParameters(config),
    trainTokens: tokenCount(train),
    heldOutTokens: tokenCount(heldOut),
  });
  const log = path.join(output, 'log.jsonl');
  await writeFile(log, '');
  const events: PretrainEvent[] = [];
  let logged = Promise.resolve();
  const results = await launchRanks<PretrainTask, PretrainEvent, PretrainRankResult>({
    size: ranks,
    module: new URL('./pretrain-rank.js', import.meta.url),
    task,
    ...(options.signal && { signal: options.signal }),
    onEvent: (event) => {
      events.push(event);
      logged = logged.then(() => appendFile(log, `${JSON.stringify(event)}\n`));
      onEvent?.(event);
    },
  });
  await logged;

  const { initial, final, tokensPerSecond } = results[0]!;
  const summary: PretrainSummary = {
    initial_loss: initial.loss,
    heldout_loss: final.loss,
    unigram_entropy: unigramEntropy(train, heldOut, tokenizer.vocabSize),
    masked_accuracy_before: initial.accuracy,
    masked_accuracy_after: final.accuracy,
    vocab_size: config.vocab_size,
    iterations: task.trainIterations,
    seconds: (performance.now() - started) / 1000,
    tokens_per_second: tokensPerSecond,
    ranks,
  };
  await writeTokenizer(output, tokenizer, { modelMaxLength: config.max_position_embeddings });
  await writeFile(path.join(output, 'loss.svg'), drawLoss(events));
  await writeFile(path.join(output, 'README.md'), modelCard(config, summary));
  await writeFile(path.join(output, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
  await writeFile(path.join(output, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  return summary;
}

function resolveConfig(options: PretrainOptions, tokenizer: Tokenizer, ranks: number): MegatronBertConfig {
  if (!Number.isInteger(ranks) || ranks < 1)
    throw new InputError(`tensor-parallel size: expected a positive integer, found ${ranks}`);
  const multiple = (options.makeVocabSizeDivisibleBy ?? 128) * ranks;
  const config = megatronBertConfig({
    architectures: ['MegatronBertForPreTraining'],
    torch_dtype: 'float32',
    vocab_size: Math.ceil(tokenizer.vocabSize / multiple) * multiple,
    pad_token_id: tokenizer.tokens.pad,
    max_position_embeddings: options.sequenceLength ?? 128,
    // what Megatron-LM trains with; transformers' own default of 1e-12 suits inference only
    layer_norm_eps: 1e-5,
    ...options.config,
  });
  if (config.vocab_size < tokenizer.vocabSize)
    throw new InputError(
      `vocab_size (${config.vocab_size}) is smaller than the tokenizer's vocabulary (${tokenizer.vocabSize})`,
    );
  checkTensorParallel(config, ranks);
  return config;
}

function resolveTask(
  options: PretrainOptions,
  config: MegatronBertConfig,
  tokenizer: Tokenizer,
  corpora: Pick<PretrainTask, 'train' | 'heldOut'>,
): PretrainTask {
  const {
    sequenceLength = 128,
    microBatchSize = 8,
    globalBatchSize = microBatchSize,
    trainIterations = 1000,
    learningRate = 1e-4,
    minLearningRate = learningRate / 10,
    warmupFraction = 0.01,
    evaluationInterval = Math.max(1, Math.ceil(trainIterations / 10)),
    evaluationSequences = 128,
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
    threads,
  }))
    if (!Number.isInteger(value) || value < 1)
      throw new InputError(`${name}: expected a positive integer, found ${value}`);
  if (sequenceLength < 8 || sequenceLength > config.max_position_embeddings)
    throw new InputError(
      `sequence length: expected 8 to ${config.max_position_embeddings} (max_position_embeddings), found ${sequenceLength}`,
    );
  if (globalBatchSize % microBatchSize !== 0)
    throw new InputError(
      `the global batch size (${globalBatchSize}) is not a multiple of the micro-batch size (${microBatchSize})`,
    );
  const isContinuation = Uint8Array.from({ length: tokenizer.vocabSize }, (_, id) =>
    Number(tokenizer.isContinuation(id)),
  );
  return {
    ...corpora,
    config,
    samples: {
      sequenceLength,
      seed,
      vocabSize: tokenizer.vocabSize,
      tokens: tokenizer.tokens,
      isContinuation,
    },
    microBatchSize,
    globalBatchSize,
    trainIterations,
    evaluationInterval,
    evaluationBatches: Math.ceil(evaluationSequences / microBatchSize),
    schedule: {
      learningRate,
      minLearningRate,
      warmupIterations: Math.round(warmupFraction * trainIterations),
      decayIterations: trainIterations,
    },
    optimizer: { ...defaultOptimizer, ...pickDefined(options) },
    threads,
    folder: options.output,
  };
}

function countParameters(config: MegatronBertConfig): number {
  const declared = declaredParameters(pretrainingBlocks(config, { predictionCount: 1 }));
  return [...declared.values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/** Of a corpus that may be a view of a larger one. */
function tokenCount({ sentences }: TokenizedCorpus): number {
  return sentences.at(-1)! - sentences[0]!;
}

function pickDefined(options: PretrainOptions): Partial<OptimizerOptions> {
  const names = Object.keys(defaultOptimizer) as (keyof OptimizerOptions)[];
  return Object.fromEntries(
    names.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
  );
}

/** Makes sure, before anything is computed, that the folder can be written to and holds nothing to lose. */
async function openOutput(folder: string, overwrite: boolean): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    const probe = path.join(folder, '.writable');
    await writeFile(probe, '');
    await rm(probe);
  } catch (error) {
    throw new InputError(`cannot write to the output folder ${folder}: ${(error as Error).message}`);
  }
  if (!overwrite && (await readdir(folder)).length > 0)
    throw new InputError(
      `the output folder ${folder} is not empty: choose another, or pass --overwrite-output-dir`,
    );
}

function drawLoss(events: readonly PretrainEvent[]): string {
  const train: LossPoint[] = [];
  const heldOut: LossPoint[] = [];
  for (const event of events)
    if (event.kind === 'step') train.push({ iteration: event.iteration, loss: event.masked_lm_loss });
    else heldOut.push({ iteration: event.iteration, loss: event.loss });
  return lossCurve(train, heldOut, 'MegatronBERT pretraining');
}
