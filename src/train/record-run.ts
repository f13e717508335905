/** What a run leaves in its folder besides weights and checkpoints. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { meshSize } from '../parallel/mesh.js';
import { configJson } from '../pretrained/save-pretrained.js';
import { writeTokenizer } from '../text/tokenizer-files.js';
import type { PretrainEvent } from './events.js';
import { lossCurve, type LossPoint } from './loss-curve.js';
import { describePredictions } from './predictions.js';
import type { PreparedRun } from './prepare-run.js';
import type { PretrainRankResult, RunEvent } from './pretrain-rank.js';
import { openRunLog } from './run-log.js';
import { writeRunFile } from './run-file.js';
import { modelCard, type PretrainSummary } from './summary.js';
import { openTensorboard } from './tensorboard.js';
import { architectures } from './trained-model.js';

const logName = 'log.jsonl';
export const summaryName = 'summary.json';

export interface RunRecorder {
  readonly tell: (event: RunEvent) => void;
  /** Returns when all that was told is on disk. */
  readonly flush: () => Promise<void>;
}

/** The run was asked to stop, or has come to where it should: a checkpoint is there to go on from. */
export class PretrainingStopped extends Error {
  override name = 'PretrainingStopped';

  constructor(
    readonly iteration: number,
    output: string,
  ) {
    super(`stopped after iteration ${iteration}, which is saved in ${output}: go on with --resume`);
  }
}

/**
 * Records a run while it is trained, and when it is over.
 *
 * @throws PretrainingStopped
 */
export async function recordRun(
  prepared: PreparedRun,
  train: (recorder: RunRecorder) => Promise<PretrainRankResult>,
): Promise<PretrainSummary> {
  const started = performance.now();
  const { options, mesh, tokenizer, config, data, task, continued, ready } = prepared;
  const { output, architecture = 'bert', onEvent } = options;
  const resumed = continued?.checkpoint;
  if (resumed)
    onEvent?.({ kind: 'resumed', iteration: resumed.manifest.iteration, checkpoint: resumed.folder });
  await writeRunFile(ready, options, config);
  onEvent?.(ready);
  const log = await openRunLog(
    path.join(output, logName),
    resumed?.manifest.iteration ?? 0,
    path.join(continued?.folder ?? output, logName),
  );
  const tensorboard = await openTensorboard(path.join(output, 'tensorboard'), resumed?.manifest.iteration);
  const records = [log, tensorboard];
  const record = (event: PretrainEvent) => {
    for (const each of records) each.add(event);
    onEvent?.(event);
  };
  const recorder: RunRecorder = {
    tell: (event) => {
      if (event.kind !== 'predicted') record(event);
      else if (tokenizer.type === 'WordPiece') record(describePredictions(event, tokenizer));
    },
    flush: async () => {
      await Promise.all(records.map((each) => each.flush()));
    },
  };
  const { completed, tokensPerSecond, test } = await train(recorder).finally(() =>
    Promise.all(records.map((each) => each.close())),
  );
  if (completed.iterations < task.trainIterations) throw new PretrainingStopped(completed.iterations, output);

  const { events } = log;
  const evaluations = events.filter((event) => event.kind === 'evaluation');
  const [initial, final] = [evaluations[0]!, evaluations.at(-1)!];
  const summary: PretrainSummary = {
    initial_loss: initial.loss,
    heldout_loss: final.loss,
    ...(test && { test_loss: test.loss }),
    unigram_entropy: data.unigramEntropy,
    accuracy_before: initial.accuracy,
    accuracy_after: final.accuracy,
    ...(final.order_accuracy !== undefined && { order_accuracy: final.order_accuracy }),
    vocab_size: config.vocab_size,
    iterations: task.trainIterations,
    seconds: prepared.seconds + (performance.now() - started) / 1000,
    tokens_per_second: tokensPerSecond,
    data_share: dataShare(events),
    ranks: meshSize(mesh),
  };
  await writeTokenizer(output, tokenizer, { modelMaxLength: config.max_position_embeddings });
  await writeFile(path.join(output, 'loss.svg'), drawLoss(events));
  await writeFile(path.join(output, 'README.md'), modelCard(architecture, config, summary, options.load));
  await writeFile(path.join(output, summaryName), `${JSON.stringify(summary, null, 2)}\n`);
  await writeFile(path.join(output, 'config.json'), configJson(config, architectures[architecture]));
  return summary;
}

function dataShare(events: readonly PretrainEvent[]): number {
  const steps = events.filter((event) => event.kind === 'step');
  const total = (of: 'data_seconds' | 'seconds') => steps.reduce((sum, step) => sum + step[of], 0);
  return total('data_seconds') / total('seconds');
}

function drawLoss(events: readonly PretrainEvent[]): string {
  const train: LossPoint[] = [];
  const heldOut: LossPoint[] = [];
  for (const event of events)
    if (event.kind === 'step') train.push({ iteration: event.iteration, loss: event.lm_loss });
    else if (event.kind === 'evaluation') heldOut.push({ iteration: event.iteration, loss: event.loss });
  return lossCurve(train, heldOut, 'Pretraining');
}
