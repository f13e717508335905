import { createHash } from 'node:crypto';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Manifest } from '../checkpoint/training/manifest.js';
import { findTrainingCheckpoint, type FoundCheckpoint } from '../checkpoint/training/read.js';
import { InputError, shown } from '../errors.js';
import type { AnyTokenizer } from '../text/tokenizer-json.js';
import type { PretrainOptions } from './pretrain-options.js';
import type { PretrainTask } from './pretrain-rank.js';

/** In the folder of a run. */
export const checkpointsOf = (output: string) => path.join(output, 'checkpoints');

/** What must be the same where a run goes on, besides its text: another model, order or optimizer would be another run. */
export function describeRun(
  { config, samples, batches, optimizer }: Pick<PretrainTask, 'config' | 'samples' | 'batches' | 'optimizer'>,
  tokenizer: AnyTokenizer,
): Manifest['run'] {
  const { globalBatchSize, rampUp } = batches;
  return {
    config: JSON.parse(JSON.stringify(config)) as unknown,
    sequence_length: samples.sequenceLength,
    global_batch_size: globalBatchSize,
    rampup_batch_size: rampUp ? [rampUp.start, rampUp.increment, rampUp.samples] : null,
    seed: samples.seed,
    optimizer: optimizer.optimizer,
    ...(samples.kind === 'bert' && { mask_probability: samples.maskProbability }),
    vocabulary: createHash('sha256').update(tokenizer.vocab.join('\n')).digest('hex'),
  };
}

/** The newest checkpoint in the folder of a run. */
export const findCheckpoint = (folder: string, { onEvent }: PretrainOptions) =>
  findTrainingCheckpoint(checkpointsOf(folder), (message) => onEvent?.({ kind: 'warning', message }));

/** @throws InputError where the checkpoint is of another run */
export function requireSameRun(
  { folder, manifest }: FoundCheckpoint,
  run: Manifest['run'],
  { load }: PretrainOptions,
): void {
  for (const [name, value] of Object.entries(run))
    if (!isDeepStrictEqual(manifest.run[name], value))
      throw new InputError(
        `${folder} is of a run with another ${name.replaceAll('_', ' ')}: ${differenceOf(manifest.run[name], value)}` +
          (load === undefined ? '' : '; --finetune begins a new run with its weights'),
      );
}

function differenceOf(saved: unknown, given: unknown): string {
  if (!isRecord(saved) || !isRecord(given)) return `expected ${shown(saved)}, found ${shown(given)}`;
  return Object.keys({ ...saved, ...given })
    .filter((name) => !isDeepStrictEqual(saved[name], given[name]))
    .map((name) => `${name}: expected ${shown(saved[name])}, found ${shown(given[name])}`)
    .join('; ');
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
