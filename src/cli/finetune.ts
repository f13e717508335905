import { Option, type Command } from 'commander';
import { InputError } from '../errors.js';
import { finetune } from '../tasks/finetune.js';
import { tunedBenchmarks } from '../tasks/benchmarks/benchmarks.js';
import type { FinetuneOptions } from '../tasks/finetune-options.js';
import { withNamed } from '../tasks/named-options.js';
import { intervalStrategies, schedulerTypes } from '../train/fine-tuning/arguments.js';
import { samplingStrategies } from '../train/fine-tuning/sampling.js';
import { command, nonNegativeInteger, nonNegativeNumber, positiveInteger } from './options.js';
import { stopOnSignals } from './signals.js';
import { runSweep } from './sweep.js';
import { createTaskProgress } from './task-progress.js';
import { addTaskFlags, argumentsOf, printResults, type TaskFlags } from './task-flags.js';

interface Flags extends TaskFlags {
  readonly outputDir: string;
  readonly trainFile?: readonly string[];
  readonly classWeights?: string;
  readonly loadBestModelAtEnd: boolean;
  readonly sweep?: string;
}

export function finetuneCommand(): Command {
  const finetune = command('finetune', 'Fine-tune a model on a task.', [
    'finetune --task sequence-classification --model my-model --train-file train.jsonl --validation-file dev.jsonl --output-dir my-classifier',
    'finetune --task token-classification --model my-model --train-file train.conll --validation-file dev.conll --output-dir my-tagger --num-train-epochs 2',
    'finetune --task question-answering --model my-model --train-file train.json --validation-file dev.json --output-dir my-reader --learning-rate 3e-5',
    'finetune --benchmark glue/mnli --model my-model --train-file train.tsv --validation-file dev_matched.tsv --output-dir my-mnli',
    'finetune --task masked-lm --model my-model --train-file novel.txt --output-dir my-novel-model --resume-from-checkpoint',
    'finetune --task sequence-classification --model my-model --train-file train.jsonl --validation-file dev.jsonl --output-dir my-sweep --sweep sweep.json',
  ]);
  return addTaskFlags(finetune)
    .option('--train-file <file...>', 'what to learn from: .json, .jsonl, .csv, .tsv, .parquet, .conll, .txt')
    .addOption(
      new Option(
        '--benchmark <name>',
        "read files as this benchmark has them, in the place of --task, with the hyper-parameters of Megatron-LM's models where it has any",
      )
        .choices([...tunedBenchmarks])
        .argParser(String),
    )
    .requiredOption('--output-dir <folder>', 'where the model, its checkpoints and results go')
    .option('--overwrite-output-dir', 'use a folder that is not empty')
    .option('--resume-from-checkpoint [folder]', 'go on from a checkpoint (default: the newest)')
    .option('--max-train-samples <n>', 'rows that are used', positiveInteger)
    .option('--num-train-epochs <x>', 'passes over the examples (default: 3)', nonNegativeNumber)
    .option('--max-steps <n>', 'updates, whatever the epochs are', positiveInteger)
    .option('--learning-rate <x>', 'highest learning rate (default: 5e-5)', nonNegativeNumber)
    .option('--per-device-train-batch-size <n>', 'examples computed at once (default: 8)', positiveInteger)
    .option('--gradient-accumulation-steps <n>', 'batches of an update (default: 1)', positiveInteger)
    .addOption(
      new Option('--lr-scheduler-type <type>', 'how the learning rate falls (default: linear)').choices([
        ...schedulerTypes,
      ]),
    )
    .option('--warmup-steps <n>', 'updates with a rising learning rate (default: 0)', nonNegativeInteger)
    .option('--warmup-ratio <x>', 'the same as a share of all', nonNegativeNumber)
    .option('--weight-decay <x>', 'of weights, not of biases and layer norms (default: 0)', nonNegativeNumber)
    .option('--max-grad-norm <x>', 'gradients are clipped to it (default: 1)', nonNegativeNumber)
    .option(
      '--label-smoothing-factor <x>',
      'share of a label that all classes get (default: 0)',
      nonNegativeNumber,
    )
    .addOption(
      new Option('--eval-strategy <when>', 'when to evaluate (default: epoch)').choices([
        ...intervalStrategies,
      ]),
    )
    .option('--eval-steps <n>', 'steps between evaluations', positiveInteger)
    .option('--logging-steps <n>', 'steps between lines of the log (default: 500)', positiveInteger)
    .addOption(
      new Option('--save-strategy <when>', 'when to save a checkpoint (default: epoch)').choices([
        ...intervalStrategies,
      ]),
    )
    .option('--save-steps <n>', 'steps between checkpoints (default: 500)', positiveInteger)
    .option('--save-total-limit <n>', 'newest checkpoints that are kept (default: 2)', positiveInteger)
    .option('--no-load-best-model-at-end', 'end with the last model, not the best')
    .option('--metric-for-best-model <name>', "what is best by (default: the task's first metric)")
    .option(
      '--early-stopping-patience <n>',
      'end after so many evaluations that are no better',
      positiveInteger,
    )
    .option('--early-stopping-threshold <x>', 'how much better that must be (default: 0)', nonNegativeNumber)
    .option('--seed <n>', 'of the order, dropout and new weights (default: 42)', nonNegativeInteger)
    .addOption(
      new Option(
        '--train-sampling-strategy <name>',
        'in which order examples come (default: random)',
      ).choices([...samplingStrategies]),
    )
    .option('--gradient-checkpointing', 'take less memory, and a third more time')
    .option('--regression', 'labels are numbers to be measured')
    .option('--class-weights <weights>', 'balanced, or a number for each class, separated by commas')
    .option(
      '--layerwise-lr-decay <x>',
      "each layer's rate, as a share of that of the one above",
      nonNegativeNumber,
    )
    .option('--freeze-embeddings', 'embeddings stay as they are')
    .option('--freeze-layers <n>', 'the first layers stay as they are, and embeddings', nonNegativeInteger)
    .option('--head-only', 'only the head learns')
    .option('--lora-r <n>', 'train an adapter of this rank, and the head, and nothing else', positiveInteger)
    .option('--lora-alpha <x>', 'its weight, times the rank (default: 8)', nonNegativeNumber)
    .option('--lora-dropout <p>', 'dropout before it (default: 0)', nonNegativeNumber)
    .option('--lora-target-modules <names...>', 'matrices that are adapted (default: query value)')
    .option('--hidden-dropout-prob <p>', "dropout (default: the model's)", nonNegativeNumber)
    .option(
      '--attention-probs-dropout-prob <p>',
      "dropout of attention (default: the model's)",
      nonNegativeNumber,
    )
    .option(
      '--sweep <file>',
      'a run for each combination of hyper-parameters in a .json file; the best model is kept',
    )
    .action(async (flags: Flags) => {
      if (flags.benchmark === undefined && flags.task === undefined)
        throw new InputError('finetune: expected --task or --benchmark, found neither');
      await runFinetune(flags);
    });
}

async function runFinetune(flags: Flags): Promise<void> {
  const { trainFile, classWeights, loadBestModelAtEnd, sweep, ...rest } = flags;
  const { stop: stopSignal, release } = stopOnSignals();
  const options = {
    ...withNamed({} as FinetuneOptions, argumentsOf({ ...rest })),
    ...(trainFile && { train: trainFile }),
    ...(classWeights !== undefined && { class_weights: weightsOf(classWeights) }),
    ...(!loadBestModelAtEnd && { load_best_model_at_end: false }),
    stopSignal,
  };
  try {
    if (sweep === undefined) await runOnce(options, flags);
    else await runSweep(sweep, options, flags.json === true);
  } finally {
    release();
  }
}

async function runOnce(options: FinetuneOptions, flags: Flags): Promise<void> {
  const show = createTaskProgress();
  try {
    const results = await finetune({ ...options, onEvent: show.event });
    show.stop();
    printResults(results, flags, `The model and its results are in ${flags.outputDir}`);
  } finally {
    show.stop();
  }
}

function weightsOf(text: string): 'balanced' | number[] {
  if (text === 'balanced') return text;
  const weights = text.split(',').map(Number);
  if (weights.some(Number.isNaN))
    throw new InputError(`--class-weights: expected balanced, or numbers separated by commas, found ${text}`);
  return weights;
}
