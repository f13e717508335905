/** `run.json`: what a run was started with, for those who look at it later. Nothing is read from it to go on. */
import path from 'node:path';
import { writeFileAtomically, writeFully } from '../checkpoint/file-bytes.js';
import type { MegatronBertConfig } from '../model/config.js';
import type { PretrainOptions, PretrainProgress } from './pretrain-options.js';

export const runFileName = 'run.json';

export async function writeRunFile(
  ready: Extract<PretrainProgress, { kind: 'ready' }>,
  options: PretrainOptions,
  config: MegatronBertConfig,
): Promise<void> {
  const run = {
    iterations: ready.iterations,
    sequence_length: ready.sequenceLength,
    ranks: ready.ranks,
    parameters: ready.parameters,
    train_tokens: ready.trainTokens,
    held_out_tokens: ready.heldOutTokens,
    options: Object.fromEntries(Object.entries(options).filter(([, value]) => isPlain(value))),
    config,
  };
  await writeFileAtomically(path.join(options.output, runFileName), (file) =>
    writeFully(file, Buffer.from(`${JSON.stringify(run, null, 2)}\n`)),
  );
}

/** What was asked for, but for what is called or listened to. */
const isPlain = (value: unknown) =>
  ['string', 'number', 'boolean'].includes(typeof value) || Array.isArray(value);
