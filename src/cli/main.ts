#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { createRequire } from 'node:module';
import { InputError } from '../errors.js';
import { FinetuningStopped } from '../tasks/finetune.js';
import { PretrainingStopped } from '../train/record-run.js';
import { convertCommand } from './convert.js';
import { dashboardCommand } from './dashboard.js';
import { downloadCommand } from './download.js';
import { evaluateCommand } from './evaluate.js';
import { finetuneCommand } from './finetune.js';
import { inspectCommand } from './inspect.js';
import { planCommand } from './plan.js';
import { preprocessCommand } from './preprocess.js';
import { pretrainCommand } from './pretrain.js';
import { runCommand } from './run.js';
import { trainTokenizerCommand } from './train-tokenizer.js';
import { verifyCommand } from './verify.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

const program = new Command('megatron-bert')
  .description('Pretrain, convert and run MegatronBERT and GPT-2 models.')
  .version(version)
  .option('--debug', 'print stack traces')
  .exitOverride()
  .addCommand(trainTokenizerCommand())
  .addCommand(preprocessCommand())
  .addCommand(pretrainCommand())
  .addCommand(dashboardCommand())
  .addCommand(finetuneCommand())
  .addCommand(evaluateCommand())
  .addCommand(runCommand())
  .addCommand(downloadCommand())
  .addCommand(convertCommand())
  .addCommand(inspectCommand())
  .addCommand(verifyCommand())
  .addCommand(planCommand());

/** Bad input exits with 2, any other failure with 1; one line says what is wrong. */
try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    console.error(program.opts<{ debug?: true }>().debug ? stack : `megatron-bert: ${message}`);
    // a signal has set its own
    const isStopped = error instanceof PretrainingStopped || error instanceof FinetuningStopped;
    if (!isStopped) process.exitCode = error instanceof InputError ? 2 : 1;
  }
}
