import { Option, type Command } from 'commander';
import { InputError } from '../errors.js';
import { benchmarkNames } from '../tasks/benchmarks/benchmarks.js';
import { evaluate, type EvaluateOptions } from '../tasks/evaluate.js';
import { command, positiveInteger } from './options.js';
import { addTaskFlags, argumentsOf, printResults, type TaskFlags } from './task-flags.js';
import { createTaskProgress } from './task-progress.js';

interface Flags extends TaskFlags {
  readonly outputDir?: string;
}

export function evaluateCommand(): Command {
  const evaluation = command('evaluate', 'Measure a model on a task, and predict.', [
    'evaluate --task sequence-classification --model my-classifier --validation-file dev.jsonl',
    'evaluate --task question-answering --model my-reader --validation-file dev.json --output-dir results',
    'evaluate --benchmark wikitext103 --model gpt2 --validation-file wiki.test.tokens',
    'evaluate --task token-classification --model my-tagger --test-file new.conll --output-dir results',
  ]);
  return addTaskFlags(evaluation)
    .option('--output-dir <folder>', 'where results and predictions go')
    .addOption(
      new Option(
        '--benchmark <name>',
        'read files as this benchmark has them, in the place of --task',
      ).choices([...benchmarkNames]),
    )
    .option(
      '--overlapping-eval <n>',
      'tokens from one window of WikiText-103 to the next (default: 32)',
      positiveInteger,
    )
    .option('--strict-lambada', "all of LAMBADA's last word counts, not only its last token")
    .action(async (flags: Flags) => {
      if (flags.benchmark === undefined && flags.task === undefined)
        throw new InputError('evaluate: expected --task or --benchmark, found neither');
      const progress = createTaskProgress();
      try {
        const results = await evaluate({
          ...(argumentsOf({ ...flags }) as unknown as EvaluateOptions),
          onEvent: progress.event,
        });
        progress.stop();
        const { outputDir } = flags;
        printResults(results, flags, outputDir && `Results and predictions are in ${outputDir}`);
      } finally {
        progress.stop();
      }
    });
}
