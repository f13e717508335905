import { Option, type Command } from 'commander';
import { InputError } from '../errors.js';
import { taskAliases } from '../pipelines/definitions.js';
import { rankFromEnvironment } from '../parallel/mpi/environment.js';
import { runMpiRank } from '../parallel/mpi/rank.js';
import type { Ranks } from '../parallel/ranks.js';
import { pipeline } from '../pipelines/node.js';
import type { FromPretrainedOptions } from '../pretrained/options.js';
import { endProcesses, serveProcesses } from '../pretrained/ranks/processes.js';
import { command, positiveInteger } from './options.js';
import { createProgress } from './progress.js';
import { readInputs, type Given, type InputOptions } from './run/inputs.js';
import { fileResults, jsonResults, printedResults, type Results } from './run/results.js';
import { runTasks, type Flags, type RunTask } from './run/tasks.js';

export function runCommand(): Command {
  const run = command('run', 'Use a model.', [
    'run fill-mask --model my-model "Paris is the [MASK] of France."',
    'run token-classification --model owner/name --file notes.txt --json',
  ]);
  for (const task of runTasks) {
    const alias = Object.entries(taskAliases).find(([, name]) => name === task.name);
    run.addCommand(alias ? taskCommand(task).alias(alias[0]) : taskCommand(task));
  }
  return run;
}

/** Of all tasks. */
interface CommonFlags extends InputOptions {
  readonly model: string;
  readonly revision?: string;
  readonly dtype?: 'fp32' | 'int8';
  readonly threads?: number;
  readonly tensorModelParallelSize?: number;
  readonly pipelineModelParallelSize?: number;
  readonly mpiLibrary?: string;
  readonly batchSize?: number;
  readonly json?: true;
  readonly output?: string;
}

function taskCommand(task: RunTask): Command {
  const examples = task.examples.map((example) => `run ${task.name} --model my-model ${example}`);
  return task
    .addFlags(
      command(task.name, task.description, examples).argument(
        '[text...]',
        'texts; otherwise lines of a file or of standard input',
      ),
    )
    .requiredOption('--model <model>', 'a model folder, or the name of a model on the hub')
    .option('--revision <name>', "a branch, tag or commit of the hub's")
    .option('--file <file>', 'a file with a text in each line; a .jsonl file has JSON lines')
    .option('--json-lines', `lines are JSON: texts, or objects with ${task.fields.join(' and ')}`)
    .option('--json', 'print the results as JSON')
    .option('--output <file>', 'write the results to a file, as JSON lines')
    .option('--batch-size <n>', 'texts that are computed together', positiveInteger)
    .option('--threads <n>', 'threads of each rank (default: the cores shared out)', positiveInteger)
    .option(
      '--tensor-model-parallel-size <n>',
      'ranks that each matrix is split over: threads, or the processes of mpirun (default: 1)',
      positiveInteger,
    )
    .option('--pipeline-model-parallel-size <n>', 'ranks that share the layers (default: 1)', positiveInteger)
    .option('--mpi-library <name>', "of ranks that are processes (default: the launcher's)")
    .addOption(new Option('--dtype <type>', 'numbers of the weights').choices(['fp32', 'int8']))
    .action(async (texts: string[], flags: CommonFlags & Flags) => {
      await onRanks(flags, (ranks) => runTask(task, texts, flags, ranks));
    });
}

/** Seconds that other processes wait for the first one's texts. */
const longestSilence = 3600;

/** Does the work in the first process of those that mpirun has started, which the others serve; else in this one. */
async function onRanks(flags: CommonFlags, work: (ranks?: Ranks) => Promise<void>): Promise<void> {
  const launched = rankFromEnvironment(process.env);
  if (!launched || launched.size === 1) return work();
  const { tensorModelParallelSize: tensor = 1, pipelineModelParallelSize: pipeline = 1 } = flags;
  const { mpiLibrary: library } = flags;
  await runMpiRank(
    async (ranks, { rank }) => {
      if (rank > 0) return serveProcesses(ranks);
      await work(ranks);
      await endProcesses(ranks);
    },
    {
      mesh: { tensor, pipeline, data: 1 },
      timeoutSeconds: longestSilence,
      ...(library !== undefined && { library }),
    },
  );
}

async function runTask(
  task: RunTask,
  texts: readonly string[],
  flags: CommonFlags & Flags,
  ranks?: Ranks,
): Promise<void> {
  const to = {
    text: (text: string) => (task.toInput ? task.toInput(text, flags) : text),
    record: (record: Readonly<Record<string, unknown>>) => fromRecord(task, record),
  };
  const inputs = readInputs(texts, flags, to);
  const results = flags.output
    ? await fileResults(flags.output)
    : flags.json
      ? jsonResults(texts.length === 1)
      : printedResults;
  try {
    const problems = await computeAll(task, inputs, flags, results, texts.length === 1, ranks);
    await results.end();
    if (problems > 0) process.exitCode = 2;
  } catch (error) {
    await results.abandon();
    throw error;
  }
}

/** @returns how many inputs could not be used, each of which was said */
async function computeAll(
  task: RunTask,
  inputs: AsyncIterable<Given>,
  flags: CommonFlags & Flags,
  results: Results,
  isSingle: boolean,
  ranks?: Ranks,
): Promise<number> {
  // a first look, so that a mistake in the call is told before a model is loaded
  const iterator = inputs[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done) return 0;
  const run = await load(task, flags, ranks);
  const waiting: Given[] = [];
  async function* usable(): AsyncGenerator {
    for (let next = first; !next.done; next = await iterator.next()) {
      waiting.push(next.value);
      if ('input' in next.value) yield next.value.input;
    }
  }
  let problems = 0;
  const complain = async (where: string, error: Error) => {
    if (isSingle) throw error;
    problems++;
    console.error(`megatron-bert: ${where}: ${error.message}`);
    if (flags.json || flags.output) await results.add(() => [], { error: error.message });
  };
  /** What could not be read stands between what was computed. */
  const takeUnusable = async () => {
    for (let next = waiting[0]; next && 'error' in next; next = waiting[0]) {
      waiting.shift();
      await complain(next.where, next.error);
    }
  };
  try {
    for await (const settled of run.allSettled(usable(), pipelineOptions(task, flags))) {
      await takeUnusable();
      const { where, input } = waiting.shift() as { where: string; input: unknown };
      if (settled.status === 'rejected') await complain(where, settled.reason as Error);
      else {
        const result = settled.value as never;
        const { toJson = (value: never) => value } = task;
        await results.add(() => task.show(result, input as never), toJson(result));
      }
    }
    await takeUnusable();
  } finally {
    await run.dispose();
  }
  return problems;
}

interface AnyPipeline {
  allSettled(inputs: AsyncIterable<unknown>, options: object): AsyncGenerator<PromiseSettledResult<unknown>>;
  dispose(): Promise<void>;
}

async function load(
  { name }: RunTask,
  { model, revision, dtype, threads, ...sizes }: CommonFlags,
  ranks?: Ranks,
): Promise<AnyPipeline> {
  const progress = createProgress('downloading', 'MB');
  const options: FromPretrainedOptions = {
    ...(revision !== undefined && { revision }),
    ...(dtype && { dtype }),
    ...(threads !== undefined && { threads }),
    tensor_parallel_size: sizes.tensorModelParallelSize ?? 1,
    pipeline_parallel_size: sizes.pipelineModelParallelSize ?? 1,
    ...(ranks && { ranks }),
    warn: (message) => {
      console.error(`megatron-bert: ${message}`);
    },
    progress_callback: (event) => {
      if (event.status === 'progress_total')
        progress.update(Math.round(event.loaded / 1e6), Math.round(event.total / 1e6));
    },
  };
  try {
    return (await pipeline(name, model, options)) as unknown as AnyPipeline;
  } finally {
    progress.stop();
  }
}

const commonFlags = [
  ...['model', 'revision', 'file', 'jsonLines', 'json', 'output', 'threads', 'dtype'],
  ...['tensorModelParallelSize', 'pipelineModelParallelSize', 'mpiLibrary'],
];

/** Flags in transformers' spelling. */
function pipelineOptions({ inputFlags = [] }: RunTask, flags: Flags): object {
  const entries = Object.entries(flags).filter(
    ([name]) => !commonFlags.includes(name) && !inputFlags.includes(name),
  );
  return Object.fromEntries(
    entries.map(([name, value]) => [name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value]),
  );
}

function fromRecord({ fields }: RunTask, record: Readonly<Record<string, unknown>>): unknown {
  const [first] = fields as [string];
  if (!(first in record))
    throw new InputError(
      `expected an object with ${fields.join(' and ')}, found ${Object.keys(record).join(', ')}`,
    );
  return fields.length === 1
    ? record[first]
    : Object.fromEntries(fields.flatMap((field) => (field in record ? [[field, record[field]]] : [])));
}
