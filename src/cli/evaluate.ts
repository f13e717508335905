import type { Command } from 'commander';
import { evaluate } from '../tasks/evaluate.js';
import type { TaskRunOptions } from '../tasks/finetune-options.js';
import { command } from './options.js';
import { addTaskFlags, argumentsOf, printResults, type TaskFlags } from './task-flags.js';
import { createTaskProgress } from './task-progress.js';

interface Flags extends TaskFlags {
  readonly outputDir?: string;
}

export function evaluateCommand(): Command {
  const evaluation = command('evaluate', 'Measure a model on a task, and predict.', [
    'evaluate --task sequence-classification --model my-classifier --validation-file dev.jsonl',
    'evaluate --task question-answering --model my-reader --validation-file dev.json --output-dir results',
    'evaluate --task token-classification --model my-tagger --test-file new.conll --output-dir results',
  ]);
  return addTaskFlags(evaluation)
    .option('--output-dir <folder>', 'where results and predictions go')
    .action(async (flags: Flags) => {
      const progress = createTaskProgress();
      try {
        const results = await evaluate({
          ...(argumentsOf({ ...flags }) as unknown as TaskRunOptions),
          onEvent: progress.event,
        });
        progress.stop();
        const { outputDir } = flags;
        printResults(
          results,
          flags.json === true,
          outputDir && `Results and predictions are in ${outputDir}`,
        );
      } finally {
        progress.stop();
      }
    });
}
