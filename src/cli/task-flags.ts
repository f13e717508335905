/** Flags that `finetune` and `evaluate` have in common. */
import { Option, type Command } from 'commander';
import { InputError } from '../errors.js';
import { benchmarks, type BenchmarkName } from '../tasks/benchmarks/benchmarks.js';
import { glueTasks } from '../tasks/metrics/glue.js';
import { rankFromEnvironment } from '../parallel/mpi/environment.js';
import type { TaskResults } from '../tasks/results.js';
import { taskNames } from '../tasks/tasks.js';
import { nonNegativeNumber, positiveInteger } from './options.js';

export interface TaskFlags {
  readonly task?: string;
  readonly model: string;
  readonly benchmark?: BenchmarkName;
  readonly json?: true;
}

export const addTaskFlags = (command: Command): Command =>
  command
    .addOption(new Option('--task <name>', 'what the model is to do').choices(taskNames))
    .requiredOption('--model <model>', 'a model folder, or the name of a model on the hub')
    .option('--dataset-name <name>', 'a data set of the hub, owner/name, where no files are given')
    .option('--dataset-config-name <name>', 'its configuration')
    .option('--dataset-revision <name>', 'its branch, tag or commit')
    .option('--validation-file <file...>', 'what to evaluate on')
    .option('--test-file <file...>', 'what to predict')
    .option('--columns <name=column...>', 'columns with other names: text=review label=stars')
    .addOption(new Option('--glue-task <name>', "measure by this task's metrics").choices([...glueTasks]))
    .option('--max-eval-samples <n>', 'rows that are evaluated on', positiveInteger)
    .option('--max-predict-samples <n>', 'rows that are predicted', positiveInteger)
    .option(
      '--max-seq-length <n>',
      'tokens of a text (default: as many as the model takes, at most 512)',
      positiveInteger,
    )
    .option('--doc-stride <n>', 'tokens that windows of a long context share (default: 128)', positiveInteger)
    .option('--version-2-with-negative', 'some questions have no answer')
    .option('--null-score-diff-threshold <x>', 'by how much no answer must be likelier (default: 0)', Number)
    .option('--n-best-size <n>', 'answers that are compared (default: 20)', positiveInteger)
    .option('--max-answer-length <n>', 'tokens (default: 30)', positiveInteger)
    .option('--label-all-tokens', 'each piece of a word has its label, not only the first')
    .option('--mlm-probability <p>', 'share of the tokens that are masked (default: 0.15)', nonNegativeNumber)
    .option('--whole-word-mask', 'mask all pieces of a word, or none')
    .option('--line-by-line', 'each row is a text of its own')
    .option('--per-device-eval-batch-size <n>', 'examples evaluated at once (default: 8)', positiveInteger)
    .option(
      '--tensor-model-parallel-size <n>',
      'ranks that each matrix is split over (default: 1)',
      positiveInteger,
    )
    .option('--pipeline-model-parallel-size <n>', 'ranks that share the layers (default: 1)', positiveInteger)
    .option('--data-parallel-size <n>', 'replicas, which share the batches (default: 1)', positiveInteger)
    .option('--mpi-library <name>', "of ranks that are processes (default: the launcher's)")
    .option('--threads <n>', 'threads of each rank (default: the cores shared out)', positiveInteger)
    .option('--json', 'print the results as JSON');

/** Names that differ from the flag's in snake case. */
const otherNames: Readonly<Record<string, string>> = {
  validationFile: 'validation',
  testFile: 'test',
  tensorModelParallelSize: 'tensor_parallel_size',
  pipelineModelParallelSize: 'pipeline_parallel_size',
};

/** Flags as the library's options. */
export function argumentsOf(flags: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { columns, ...rest } = flags;
  const given = Object.entries(rest).filter(([name]) => name !== 'json');
  const entries = given.map(([name, value]) => [
    otherNames[name] ?? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    value,
  ]);
  return {
    ...(Object.fromEntries(entries) as Record<string, unknown>),
    ...(columns !== undefined && {
      columns: Object.fromEntries((columns as string[]).map(columnOf)),
    }),
  };
}

function columnOf(text: string): [string, string] {
  const [, name, column] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || column === undefined)
    throw new InputError(`--columns: expected name=column, such as text=review, found ${text}`);
  return [name, column];
}

/** Once, where several processes have them; a benchmark's beside the published ones. */
export function printResults(
  results: TaskResults,
  { json, benchmark }: Pick<TaskFlags, 'json' | 'benchmark'>,
  note?: string,
): void {
  if ((rankFromEnvironment(process.env)?.rank ?? 0) > 0) return;
  if (json) {
    console.log(JSON.stringify(results, null, 2));
    return;
  }
  const width = Math.max(...Object.keys(results).map(({ length }) => length));
  for (const [name, value] of Object.entries(results))
    console.log(`${name.padEnd(width)}  ${Number.isInteger(value) ? value : value.toPrecision(6)}`);
  if (note !== undefined) console.log(note);
  const beside = benchmark && benchmarks[benchmark].beside?.(results);
  if (beside) console.log(beside);
}
