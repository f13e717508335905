/** What each rank of a pretraining run does: the module that `pretrain` launches. */
import {
  maximumPredictions,
  pretrainingSamples,
  type PretrainingSampleOptions,
} from '../data/pretraining-samples.js';
import type { TokenizedCorpus } from '../data/tokenized-corpus.js';
import { openEngine } from '../engine/node.js';
import { hiddenInput, pretrainingBlocks } from '../model/blocks.js';
import type { MegatronBertConfig } from '../model/config.js';
import { runRank } from '../parallel/rank.js';
import { writeWeights } from './export.js';
import type { OptimizerOptions } from './optimizer.js';
import { initializeParameters } from './parameters.js';
import { toBlockInputs } from './pretraining-batch.js';
import type { LearningRateSchedule } from './schedule.js';
import { createTrainer } from './trainer.js';

/** All that a rank is told; plain data. */
export interface PretrainTask {
  readonly config: MegatronBertConfig;
  readonly train: TokenizedCorpus;
  readonly heldOut: TokenizedCorpus;
  readonly samples: PretrainingSampleOptions;
  readonly microBatchSize: number;
  readonly globalBatchSize: number;
  readonly trainIterations: number;
  readonly evaluationInterval: number;
  /** Micro-batches of held-out text. */
  readonly evaluationBatches: number;
  readonly schedule: LearningRateSchedule;
  readonly optimizer: OptimizerOptions;
  /** Threads that each rank computes with. */
  readonly threads: number;
  readonly folder: string;
}

/** How well held-out text is predicted: nats per masked token, and the fraction whose first choice is right. */
export interface Evaluation {
  readonly loss: number;
  readonly accuracy: number;
}

/** Reported by the first rank. */
export type PretrainEvent =
  | {
      readonly kind: 'step';
      /** Iterations completed. */
      readonly iteration: number;
      readonly loss: number;
      readonly masked_lm_loss: number;
      readonly next_sentence_loss: number;
      readonly learning_rate: number;
      readonly gradient_norm: number;
      /** Positions computed, padding included, since the first iteration began; evaluation time left out. */
      readonly tokens_per_second: number;
    }
  | {
      readonly kind: 'evaluation';
      readonly iteration: number;
      readonly loss: number;
      readonly accuracy: number;
    };

export interface PretrainRankResult {
  readonly initial: Evaluation;
  readonly final: Evaluation;
  readonly tokensPerSecond: number;
}

await runRank<PretrainTask, PretrainEvent, PretrainRankResult>(async (task, communicator, reportFromRank) => {
  const { config, samples, microBatchSize, globalBatchSize, trainIterations, evaluationInterval } = task;
  const { sequenceLength, seed } = samples;
  const report = (event: PretrainEvent) => {
    if (communicator.rank === 0) reportFromRank(event);
  };
  const engine = openEngine({ threads: task.threads, groups: { tensor: communicator } });
  const tensor = { group: 'tensor', size: communicator.size, rank: communicator.rank };
  const predictionCount = microBatchSize * maximumPredictions(sequenceLength, samples.maskProbability);
  const trainer = await createTrainer({
    engine,
    communicator,
    tensor,
    blocks: pretrainingBlocks(config, { predictionCount }),
    hidden: hiddenInput(config, { batchSize: microBatchSize, sequenceLength, tensor }),
    microBatchSize,
    sequenceLength,
    optimizer: task.optimizer,
    schedule: task.schedule,
    seed,
  });
  await initializeParameters(engine, trainer.parameters, seed);

  const heldOut = pretrainingSamples(task.heldOut, samples);
  const evaluate = async (iteration: number): Promise<Evaluation> => {
    let loss = 0;
    let correct = 0;
    let count = 0;
    for (let i = 0; i < task.evaluationBatches; i++) {
      const batch = heldOut.batch(i * microBatchSize, microBatchSize);
      const scalars = await trainer.evaluate(toBlockInputs(batch, predictionCount));
      loss += scalars.masked_lm_loss! * scalars.masked_lm_count!;
      correct += scalars.masked_lm_correct!;
      count += scalars.masked_lm_count!;
    }
    const evaluation = { loss: loss / count, accuracy: correct / count };
    report({ kind: 'evaluation', iteration, ...evaluation });
    return evaluation;
  };

  const train = pretrainingSamples(task.train, samples);
  const initial = await evaluate(0);
  let final = initial;
  let seconds = 0;
  let tokensPerSecond = 0;
  for (let iteration = 1; iteration <= trainIterations; iteration++) {
    const started = performance.now();
    const first = (iteration - 1) * globalBatchSize;
    const microBatches = Array.from({ length: globalBatchSize / microBatchSize }, (_, i) =>
      toBlockInputs(train.batch(first + i * microBatchSize, microBatchSize), predictionCount),
    );
    const { scalars, learningRate, gradientNorm } = await trainer.step(microBatches);
    seconds += (performance.now() - started) / 1000;
    tokensPerSecond = (iteration * globalBatchSize * sequenceLength) / seconds;
    report({
      kind: 'step',
      iteration,
      loss: scalars.loss!,
      masked_lm_loss: scalars.masked_lm_loss!,
      next_sentence_loss: scalars.next_sentence_loss!,
      learning_rate: learningRate,
      gradient_norm: gradientNorm,
      tokens_per_second: tokensPerSecond,
    });
    if (iteration % evaluationInterval === 0 || iteration === trainIterations)
      final = await evaluate(iteration);
  }
  await writeWeights(task.folder, engine, trainer.parameters, communicator);
  await engine.release();
  return { initial, final, tokensPerSecond };
});
