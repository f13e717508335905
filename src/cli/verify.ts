import type { Command } from 'commander';
import { referenceNames, verifyModel } from '../pretrained/verify.js';
import { command } from './options.js';

interface Options {
  readonly reference?: string;
  readonly json?: true;
}

export function verifyCommand(): Command {
  return command('verify', 'Check that a model has all its weights and computes what it should.', [
    'verify my-model',
    'verify converted/ --reference nvidia/megatron-bert-uncased-345m',
  ])
    .argument('<model>', 'a model folder, or the name of a model on the hub')
    .option('--reference <name>', `compare with published values of ${referenceNames.join(', ')}`)
    .option('--json', 'print the results as JSON')
    .action(async (model: string, { json, ...options }: Options) => {
      const checks = await verifyModel(model, options);
      if (json) console.log(JSON.stringify(checks));
      else
        for (const { name, passed, detail } of checks)
          console.log(`${passed ? 'passed' : 'FAILED'}  ${name.padEnd(16)}  ${detail}`);
      if (checks.some(({ passed }) => !passed)) process.exitCode = 1;
    });
}
