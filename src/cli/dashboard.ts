import { Option, type Command } from 'commander';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { openDashboard } from '../dashboard/server.js';
import { InputError } from '../errors.js';
import { command, portNumber } from './options.js';

export function dashboardCommand(): Command {
  return command('dashboard', 'Show a pretraining run in the browser, while it goes or afterwards.', [
    'dashboard my-model',
    'dashboard my-model --port 8000',
  ])
    .argument('<folder>', "a run's: the --output of pretrain")
    .addOption(new Option('--port <n>', 'of 127.0.0.1 (default: any that is free)').argParser(portNumber))
    .action(async (folder: string, { port }: { readonly port?: number }) => {
      if (!['log.jsonl', 'run.json'].some((name) => existsSync(path.join(folder, name))))
        throw new InputError(`dashboard: expected the folder of a run, found no log.jsonl in ${folder}`);
      const { address } = await openDashboard(folder, port === undefined ? {} : { port });
      console.log(`${address}  (Ctrl+C ends it)`);
    });
}
