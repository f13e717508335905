import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { isFolder } from '../checkpoint/paths.js';
import type { Manifest } from '../checkpoint/training/manifest.js';
import { InputError } from '../errors.js';
import { parameterCount } from '../model/initial-values.js';
import { launchRanks } from '../parallel/launch.js';
import { meshSize, rankAt, reporterOf, type Mesh } from '../parallel/mesh.js';
import { RankLost } from '../parallel/rank-lost.js';
import { configJson } from '../pretrained/save-pretrained.js';
import type { AnyTokenizer } from '../text/tokenizer-json.js';
import { readAnyTokenizer, writeTokenizer } from '../text/tokenizer-files.js';
import { lossCurve, type LossPoint } from './loss-curve.js';
import { declaredParameters } from './parameters.js';
import { resolveMesh } from './mesh-options.js';
import { resolveTask, type PretrainOptions } from './pretrain-options.js';
import type { PretrainEvent } from './events.js';
import { createObjective } from './objectives/objective.js';
import { describePredictions } from './predictions.js';
import type { PretrainRankResult, PretrainTask, PretrainRankEvent } from './pretrain-rank.js';
import { checkpointsOf, describeRun, requireSameRun } from './resume.js';
import { openRunLog, type RunRecord } from './run-log.js';
import { writeRunFile } from './run-file.js';
import { createSaving } from './saving.js';
import { modelCard, type PretrainSummary } from './summary.js';
import { dataFolderOf, preparePretrainingData } from './pretraining-data.js';
import { openTensorboard } from './tensorboard.js';
import { architectures, resolveConfig, sampleKind } from './trained-model.js';
import { findStart } from './warm-start.js';

/**
 * Pretrains a `MegatronBertForPreTraining` or a `GPT2LMHeadModel` on text, divided over threads of this process,
 * and writes a model folder that transformers loads, with `log.jsonl`, `loss.svg` and `summary.json`.
 *
 * @throws InputError for options, a corpus or a tokenizer that cannot be used; nothing was written then
 */
export async function pretrain(given: PretrainOptions): Promise<PretrainSummary> {
  let options = given;
  for (let left = given.restarts ?? 0; ; left--)
    try {
      return await pretrainOnce(options);
    } catch (error) {
      if (!(error instanceof RankLost) || left === 0) throw error;
      const message = `${error.message}: begun again from what was saved, ${left - 1} restarts left`;
      given.onEvent?.({ kind: 'warning', message });
      options = { ...given, resume: true };
    }
}

async function pretrainOnce(given: PretrainOptions): Promise<PretrainSummary> {
  const started = performance.now();
  const { output, architecture = 'bert', onEvent } = given;
  const mesh = resolveMesh(given);
  const tokenizer = await readAnyTokenizer(given.tokenizer);
  const { options, continued, loaded } = await findStart(given, tokenizer);
  const config = resolveConfig(options, tokenizer, mesh.tensor);
  const settings = resolveTask(options, config, tokenizer, mesh);
  const kind = sampleKind(settings.samples, options);
  const described = describeRun(settings, tokenizer);
  if (continued) requireSameRun(continued.checkpoint, described, options);
  const isNew = await openOutput(output, options);
  const prepare = async () => {
    const data = await preparePretrainingData(options, tokenizer, kind, {
      train: settings.trainIterations * settings.batches.globalBatchSize,
      evaluation: settings.evaluationBatches * settings.batches.microBatchSize,
    });
    const run = { ...described, text: data.identity };
    if (continued) requireSameRun(continued.checkpoint, run, options);
    return { data, run };
  };
  const { data, run } = await prepare().catch(async (error: unknown) => {
    if (isNew) await leaveOutput(output);
    throw error;
  });
  const resumed = continued?.checkpoint;
  const task = { ...settings, data, ...(resumed && { resumed }), ...(loaded && { loaded }) };
  if (resumed)
    onEvent?.({ kind: 'resumed', iteration: resumed.manifest.iteration, checkpoint: resumed.folder });

  const ready = {
    kind: 'ready',
    iterations: task.trainIterations,
    sequenceLength: task.samples.sequenceLength,
    ranks: meshSize(mesh),
    parameters: countParameters(task),
    trainTokens: data.trainTokens,
    heldOutTokens: data.heldOutTokens,
  } as const;
  await writeRunFile(ready, options, config);
  onEvent?.(ready);
  const log = await openRunLog(
    path.join(output, logName),
    resumed?.manifest.iteration ?? 0,
    path.join(continued?.folder ?? output, logName),
  );
  const tensorboard = await openTensorboard(path.join(output, 'tensorboard'), resumed?.manifest.iteration);
  const records = [log, tensorboard];
  const { completed, tokensPerSecond, test } = await runRanks(
    options,
    task,
    mesh,
    run,
    tokenizer,
    records,
  ).finally(() => Promise.all(records.map((record) => record.close())));
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
    seconds: (performance.now() - started) / 1000,
    tokens_per_second: tokensPerSecond,
    data_share: dataShare(events),
    ranks: meshSize(mesh),
  };
  await writeTokenizer(output, tokenizer, { modelMaxLength: config.max_position_embeddings });
  await writeFile(path.join(output, 'loss.svg'), drawLoss(events));
  await writeFile(path.join(output, 'README.md'), modelCard(architecture, config, summary, options.load));
  await writeFile(path.join(output, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
  await writeFile(path.join(output, 'config.json'), configJson(config, architectures[architecture]));
  return summary;
}

const logName = 'log.jsonl';

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

/** Runs the ranks and writes their records and checkpoints. */
async function runRanks(
  options: PretrainOptions,
  task: PretrainTask,
  mesh: Mesh,
  run: Manifest['run'],
  tokenizer: AnyTokenizer,
  records: readonly RunRecord[],
): Promise<PretrainRankResult> {
  const { keepLast = 2, keepEvery, onEvent, signal, stopSignal } = options;
  const flush = async () => {
    await Promise.all(records.map((record) => record.flush()));
  };
  const failure = new AbortController();
  const saving = createSaving({
    folder: checkpointsOf(options.output),
    division: {
      tensor_model_parallel_size: mesh.tensor,
      pipeline_model_parallel_size: mesh.pipeline,
      optimizer_shares: task.sharesOptimizer ? mesh.data : 1,
    },
    run,
    rotation: { keepLast, ...(keepEvery !== undefined && { keepEvery }) },
    // what a checkpoint goes on from is on record
    prepare: flush,
    onFailure: (error) => {
      failure.abort(error);
    },
    onSaved: (iteration) => onEvent?.({ kind: 'saved', iteration }),
  });
  const stop = () => {
    Atomics.store(new Int32Array(task.stop), 0, 1);
  };
  let iteration = task.resumed?.manifest.iteration ?? 0;
  const tell = (event: PretrainEvent) => {
    if (event.kind === 'step') iteration = event.iteration;
    for (const record of records) record.add(event);
    onEvent?.(event);
  };
  stopSignal?.addEventListener('abort', stop);
  if (stopSignal?.aborted) stop();
  try {
    const results = await launchRanks<PretrainTask, PretrainRankEvent, PretrainRankResult>({
      mesh,
      timeoutSeconds: 60 * (options.distributedTimeoutMinutes ?? 10),
      module: new URL('./pretrain-rank.js', import.meta.url),
      task,
      signal: AbortSignal.any([failure.signal, ...(signal ? [signal] : [])]),
      onEvent: (event) => {
        if (event.kind === 'snapshot') saving.add(event);
        else if (event.kind !== 'predicted') tell(event);
        else if (tokenizer.type === 'WordPiece') tell(describePredictions(event, tokenizer));
      },
    });
    await saving.done();
    await flush();
    return results[rankAt(reporterOf(mesh), mesh)]!;
  } catch (error) {
    if (!(error instanceof RankLost)) throw error;
    throw new RankLost(`after iteration ${iteration}, on ${hostname()}: ${error.message}`, { cause: error });
  } finally {
    stopSignal?.removeEventListener('abort', stop);
    await saving.done().catch(() => undefined);
  }
}

function dataShare(events: readonly PretrainEvent[]): number {
  const steps = events.filter((event) => event.kind === 'step');
  const total = (of: 'data_seconds' | 'seconds') => steps.reduce((sum, step) => sum + step[of], 0);
  return total('data_seconds') / total('seconds');
}

function countParameters({ config, samples, batches }: PretrainTask): number {
  const { blocks } = createObjective(config, samples, batches.microBatchSize);
  return parameterCount(declaredParameters(blocks).values());
}

/**
 * Makes sure, before anything is computed, that the folder can be written to and holds nothing to lose.
 *
 * @returns whether it was made
 */
async function openOutput(
  folder: string,
  { overwriteOutputDir = false, resume = false }: PretrainOptions,
): Promise<boolean> {
  let isNew: boolean;
  try {
    isNew = (await mkdir(folder, { recursive: true })) !== undefined;
    const probe = path.join(folder, '.writable');
    await writeFile(probe, '');
    await rm(probe);
  } catch (error) {
    throw new InputError(`cannot write to the output folder ${folder}: ${(error as Error).message}`);
  }
  if (resume) return isNew;
  if (overwriteOutputDir)
    for (const made of [checkpointsOf(folder), dataFolderOf(folder)])
      await rm(made, { recursive: true, force: true });
  // data sets and indices of a run that did not begin are no loss
  else if ((await readdir(folder)).some((name) => name !== path.basename(dataFolderOf(folder)))) {
    const hasCheckpoints = await isFolder(checkpointsOf(folder));
    throw new InputError(
      `the output folder ${folder} is not empty: ${hasCheckpoints ? 'go on with --resume, ' : ''}choose another, or pass --overwrite-output-dir`,
    );
  }
  return isNew;
}

/** Removes a folder in which no run began, but for text that was half preprocessed: another run goes on with it. */
async function leaveOutput(folder: string): Promise<void> {
  const made = await readdir(dataFolderOf(folder)).catch(() => []);
  if (!made.some((name) => name.endsWith('.incomplete'))) await rm(folder, { recursive: true, force: true });
}

function drawLoss(events: readonly PretrainEvent[]): string {
  const train: LossPoint[] = [];
  const heldOut: LossPoint[] = [];
  for (const event of events)
    if (event.kind === 'step') train.push({ iteration: event.iteration, loss: event.lm_loss });
    else if (event.kind === 'evaluation') heldOut.push({ iteration: event.iteration, loss: event.loss });
  return lossCurve(train, heldOut, 'Pretraining');
}
