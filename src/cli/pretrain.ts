import { Option, type Command } from 'commander';
import path from 'node:path';
import { openDashboard } from '../dashboard/server.js';
import { meshSize, rankAt, reporterOf } from '../parallel/mesh.js';
import { rankFromEnvironment } from '../parallel/mpi/environment.js';
import { threadsOfRank } from '../parallel/threads.js';
import { resolveMesh } from '../train/mesh-options.js';
import { pretrain } from '../train/pretrain.js';
import type { PretrainOptions, PretrainProgress } from '../train/pretrain-options.js';
import { optimizerNames } from '../train/optimizer.js';
import { defaultSplit } from '../train/pretraining-data.js';
import { recomputations } from '../train/recomputation.js';
import { decayStyles } from '../train/schedule.js';
import { architectures } from '../train/trained-model.js';
import type { PretrainSummary } from '../train/summary.js';
import { createIntervalLine } from './interval-line.js';
import { command, nonNegativeInteger, nonNegativeNumber, portNumber, positiveInteger } from './options.js';
import { createProgress } from './progress.js';
import { stopOnSignals } from './signals.js';

/** Flags whose names in `PretrainOptions` are theirs in camel case, and those of the model's configuration. */
interface Flags extends Omit<PretrainOptions, 'corpus' | 'config' | 'onEvent' | 'signal'> {
  readonly numLayers?: number;
  readonly hiddenSize?: number;
  readonly numAttentionHeads?: number;
  readonly ffnHiddenSize?: number;
  readonly maxPositionEmbeddings?: number;
  readonly hiddenDropout?: number;
  readonly attentionDropout?: number;
  readonly initMethodStd?: number;
  readonly adamBeta1: number;
  readonly adamBeta2: number;
  readonly adamEps?: number;
  readonly sgdMomentum: number;
  readonly logInterval: number;
  readonly dashboard?: number | true;
  readonly json?: true;
}

export function pretrainCommand(): Command {
  return command(
    'pretrain',
    'Pretrain a MegatronBERT (masked words, sentence order) or a GPT-2 (the next token) on text.',
    [
      'pretrain corpus/ --tokenizer my-tokenizer --output my-model --num-layers 4 --hidden-size 256 --num-attention-heads 4',
      'pretrain corpus.txt --tokenizer my-tokenizer --output my-model --tensor-model-parallel-size 2',
      'pretrain corpus.txt --tokenizer my-tokenizer --output my-model --pipeline-model-parallel-size 2 --global-batch-size 32',
      'pretrain corpus.txt --tokenizer my-tokenizer --output my-model --dashboard',
      'pretrain corpus.txt --tokenizer my-tokenizer --output my-model --resume',
      'pretrain corpus.txt --load gatortron --tokenizer gatortron --output my-gatortron --learning-rate 5e-5',
      'pretrain corpus.txt --architecture gpt2 --tokenizer my-bpe --output my-gpt2 --sequence-length 256',
      'pretrain 0.7 data/books_text_sentence 0.3 data/news_text_sentence --tokenizer my-tokenizer --output my-model',
    ],
  )
    .argument(
      '<corpus...>',
      'text: files or folders of .jsonl, .txt, .parquet and others (see preprocess); or data sets that preprocess made, with weights before them where there are several',
    )
    .requiredOption(
      '--tokenizer <folder>',
      'from train-tokenizer, or any folder with a vocab.txt; for GPT-2 with a byte-level BPE',
    )
    .requiredOption('--output <folder>', 'where the model, its log and its loss curve go')
    .addOption(
      new Option('--architecture <name>', 'of the model').choices(Object.keys(architectures)).default('bert'),
    )
    .option('--num-layers <n>', 'transformer layers (default: 4)', positiveInteger)
    .option('--hidden-size <n>', 'width of the residual stream (default: 256)', positiveInteger)
    .option('--num-attention-heads <n>', 'heads of each layer (default: 4)', positiveInteger)
    .option('--ffn-hidden-size <n>', 'width of the MLP (default: 4 × hidden size)', positiveInteger)
    .option('--max-position-embeddings <n>', 'longest text (default: the sequence length)', positiveInteger)
    .option('--hidden-dropout <p>', 'probability (default: 0.1)', nonNegativeNumber)
    .option('--attention-dropout <p>', 'probability (default: 0.1)', nonNegativeNumber)
    .option('--tensor-model-parallel-size <n>', 'ranks that each matrix is split over', positiveInteger, 1)
    .option('--sequence-parallel', 'share layer norms and dropout among these ranks too')
    .option('--pipeline-model-parallel-size <n>', 'ranks that share the layers', positiveInteger, 1)
    .option(
      '--num-layers-per-virtual-pipeline-stage <n>',
      'give each stage several parts of so many layers, interleaved',
      positiveInteger,
    )
    .option(
      '--data-parallel-size <n>',
      'replicas of the model, which share the batch (default: 1, or as many as the processes of mpirun make up)',
      positiveInteger,
    )
    .option('--use-distributed-optimizer', "share the optimizer's state among the replicas")
    .option('--mpi-library <name>', "of ranks that are processes (default: the launcher's)")
    .option(
      '--restarts <n>',
      'times to go on from the last checkpoint when a rank is lost',
      nonNegativeInteger,
      0,
    )
    .option(
      '--distributed-timeout-minutes <x>',
      'how long ranks wait for each other before one is taken for lost (default: 10)',
      nonNegativeNumber,
    )
    .option('--threads <n>', 'threads of each rank (default: the cores shared out)', positiveInteger)
    .option('--sequence-length <n>', 'tokens of a sequence', positiveInteger, 128)
    .option('--micro-batch-size <n>', 'sequences computed at once', positiveInteger, 8)
    .option('--global-batch-size <n>', 'sequences of an update (default: the micro-batch)', positiveInteger)
    .option('--train-iterations <n>', 'updates', positiveInteger, 1000)
    .option('--learning-rate <x>', 'highest learning rate', nonNegativeNumber, 1e-4)
    .option(
      '--min-learning-rate <x>',
      'last learning rate (default: a tenth of the highest)',
      nonNegativeNumber,
    )
    .addOption(
      new Option('--learning-rate-decay-style <style>', 'how the learning rate falls')
        .choices([...decayStyles])
        .default('linear'),
    )
    .option('--decay-iterations <n>', 'until the learning rate is the least (default: all)', positiveInteger)
    .option(
      '--warmup-fraction <x>',
      'of those iterations, with a rising learning rate (default: 0.01)',
      nonNegativeNumber,
    )
    .option('--warmup-iterations <n>', 'the same as a number', positiveInteger)
    .option(
      '--rampup-batch-size <sizes...>',
      'first global batch, increment, and samples until it is whole',
      (text: string, before: number[] | undefined) => [...(before ?? []), positiveInteger(text)],
    )
    .option('--weight-decay <x>', 'of weights, not of biases and layer norms', nonNegativeNumber, 0.01)
    .addOption(
      new Option('--optimizer <name>', "adam is Megatron-LM's name of adamw; adam-l2 is PyTorch's Adam")
        .choices(optimizerNames)
        .default('adamw'),
    )
    .option('--adam-beta1 <x>', "decay of Adam's and LAMB's first moment", nonNegativeNumber, 0.9)
    .option('--adam-beta2 <x>', "decay of Adam's and LAMB's second moment", nonNegativeNumber, 0.999)
    .option(
      '--adam-eps <x>',
      'added to the root of the second moment (default: 1e-8; LAMB: 1e-6)',
      nonNegativeNumber,
    )
    .option('--sgd-momentum <x>', 'how much of the last step is in the next', nonNegativeNumber, 0.9)
    .option(
      '--init-method-std <x>',
      'standard deviation of initial weights (default: 0.02)',
      nonNegativeNumber,
    )
    .option('--clip-gradient <x>', "greatest norm of the gradient; 0: don't clip", nonNegativeNumber, 1)
    .addOption(
      new Option('--recompute-activations <what>', 'in the backward pass, to need less memory')
        .choices([...recomputations])
        .default('none'),
    )
    .option(
      '--make-vocab-size-divisible-by <n>',
      'vocabulary padding, times the ranks (default: 128, or as it was loaded)',
      positiveInteger,
    )
    .option(
      '--split <shares>',
      'of the documents for training, evaluation in between, and a test at the end',
      defaultSplit,
    )
    .option('--data-cache-path <folder>', 'where indices of samples are kept (default: in the output folder)')
    .option('--mask-probability <x>', 'of tokens, to be predicted', nonNegativeNumber, 0.15)
    .option('--short-sequence-probability <x>', 'of samples that are made short', nonNegativeNumber, 0.1)
    .option('--evaluation-interval <n>', 'iterations (default: a tenth of all)', positiveInteger)
    .option('--evaluation-sequences <n>', 'held-out sequences of an evaluation', positiveInteger, 128)
    .option('--seed <n>', 'of weights, samples and dropout', positiveInteger, 1234)
    .option('--save-interval <n>', 'iterations (default: as between evaluations)', positiveInteger)
    .option('--keep-last <n>', 'checkpoints that are kept', positiveInteger, 2)
    .option('--keep-every <n>', 'iterations of which multiples are kept for good', positiveInteger)
    .option(
      '--exit-interval <n>',
      'stop after an iteration that is a multiple, to go on later',
      positiveInteger,
    )
    .option('--exit-duration-in-mins <x>', 'stop when so old, to go on later', nonNegativeNumber)
    .option(
      '--most-skipped <n>',
      'batches in a row that may be skipped, having no finite gradient',
      nonNegativeInteger,
      10,
    )
    .option(
      '--loss-spike-factor <x>',
      'skip batches whose loss is so many times the recent mean',
      nonNegativeNumber,
    )
    .option('--log-interval <n>', 'iterations between lines on how it goes', positiveInteger, 100)
    .option('--dashboard [port]', 'a page of 127.0.0.1 that shows the run as it goes', portNumber)
    .option('--resume', 'go on from the newest checkpoint in the output folder')
    .option(
      '--load <path>',
      'begin with a model (a model folder or a Megatron-LM checkpoint), which says the sizes too; or go on with a run',
    )
    .option('--finetune', 'of a run that is loaded take the weights only, and begin at iteration 0')
    .option('--overwrite-output-dir', 'write into a folder that is not empty')
    .option('--json', 'print the summary as JSON')
    .action(async (corpus: readonly string[], flags: Flags) => {
      const { logInterval, dashboard, json, ...options } = flags;
      const launched = rankFromEnvironment(process.env);
      const mesh = resolveMesh(options, launched?.size);
      // of several processes one tells how the run goes
      const isReporter = !launched || launched.rank === rankAt(reporterOf(mesh), mesh);
      const ranksOfHost = launched ? (launched.localSize ?? launched.size) : meshSize(mesh);
      const page =
        dashboard === undefined || !isReporter
          ? undefined
          : await openDashboard(options.output, dashboard === true ? {} : { port: dashboard });
      if (page) console.error(`dashboard: ${page.address}`);
      const signals = stopOnSignals();
      const shown = showProgress(logInterval);
      const summary = await pretrain({
        threads: threadsOfRank(ranksOfHost),
        ...options,
        beta1: options.adamBeta1,
        beta2: options.adamBeta2,
        ...(options.adamEps !== undefined && { epsilon: options.adamEps }),
        momentum: options.sgdMomentum,
        corpus,
        config: configOf(flags),
        ...(isReporter && { onEvent: shown.onEvent }),
        stopSignal: signals.stop,
      }).finally(async () => {
        signals.release();
        shown.end();
        await page?.close();
      });
      if (isReporter) console.log(json ? JSON.stringify(summary) : describe(summary, options.output));
    });
}

/** Fields that flags give, by the configuration's names; what is loaded has the others. */
function configOf(flags: Flags): NonNullable<PretrainOptions['config']> {
  const defaults = flags.load === undefined ? { numLayers: 4, hiddenSize: 256, numAttentionHeads: 4 } : {};
  const { numLayers, hiddenSize, numAttentionHeads, ...given } = { ...defaults, ...flags };
  const ffnHiddenSize = flags.load === undefined ? 4 * hiddenSize! : undefined;
  const intermediateSize = given.ffnHiddenSize ?? ffnHiddenSize;
  const fields =
    flags.architecture === 'gpt2'
      ? {
          n_layer: numLayers,
          n_embd: hiddenSize,
          n_head: numAttentionHeads,
          n_inner: intermediateSize,
          n_positions: given.maxPositionEmbeddings,
          resid_pdrop: given.hiddenDropout,
          embd_pdrop: given.hiddenDropout,
          attn_pdrop: given.attentionDropout,
        }
      : {
          num_hidden_layers: numLayers,
          hidden_size: hiddenSize,
          num_attention_heads: numAttentionHeads,
          intermediate_size: intermediateSize,
          max_position_embeddings: given.maxPositionEmbeddings,
          hidden_dropout_prob: given.hiddenDropout,
          attention_probs_dropout_prob: given.attentionDropout,
        };
  const all = { ...fields, initializer_range: given.initMethodStd };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** A line every so many iterations, and on a terminal a bar below it. */
function showProgress(interval: number) {
  const tokenizing = createProgress('tokenizing', 'MB');
  const progress = process.stderr.isTTY ? createProgress('training') : undefined;
  const print = (line: string) => {
    if (progress) progress.print(line);
    else console.error(line);
  };
  let total = 0;
  let intervalLine: ReturnType<typeof createIntervalLine> | undefined;
  const onEvent = (event: PretrainProgress) => {
    if (event.kind === 'tokenizing')
      tokenizing.update(Math.round(event.done / 1e6), Math.round(event.total / 1e6));
    else if (event.kind === 'ready') {
      tokenizing.stop();
      total = event.iterations;
      intervalLine = createIntervalLine({ interval, ...event });
      print(
        `${event.parameters.toLocaleString('en')} parameters on ${ranksOf(event.ranks)}; ` +
          `${event.trainTokens.toLocaleString('en')} tokens to train on, ${event.heldOutTokens.toLocaleString('en')} held out`,
      );
    } else if (event.kind === 'step') {
      const line = intervalLine?.(event);
      if (line !== undefined) print(line);
      progress?.update(
        event.iteration,
        total,
        `| loss ${event.loss.toFixed(3)} | ${Math.round(event.tokens_per_second)} tokens/s`,
      );
    } else if (event.kind === 'resumed')
      print(`going on after iteration ${event.iteration} (${event.checkpoint})`);
    else if (event.kind === 'loaded')
      print(`beginning with the weights of ${event.source} (${layouts[event.layout]})`);
    else if (event.kind === 'warning') print(`megatron-bert: ${event.message}`);
    else if (event.kind === 'evaluation')
      print(
        `iteration ${event.iteration}: held-out loss ${event.loss.toFixed(3)}, ${(100 * event.accuracy).toFixed(1)} % of predictions right`,
      );
  };
  return { onEvent, end: () => progress?.stop() };
}

const layouts = {
  transformers: 'a model folder',
  megatron: 'a Megatron-LM checkpoint',
  run: "a run's newest checkpoint",
};

const ranksOf = (count: number) => `${count} ${count === 1 ? 'rank' : 'ranks'}`;

function describe(summary: PretrainSummary, output: string): string {
  const percent = (fraction: number) => `${(100 * fraction).toFixed(1)} %`;
  return [
    `held-out loss            ${summary.initial_loss.toFixed(3)} → ${summary.heldout_loss.toFixed(3)} nats (ln of the vocabulary ${Math.log(summary.vocab_size).toFixed(3)}, unigram entropy ${summary.unigram_entropy.toFixed(3)})`,
    `predictions right        ${percent(summary.accuracy_before)} → ${percent(summary.accuracy_after)}`,
    ...(summary.order_accuracy === undefined
      ? []
      : [`order of sentences right ${percent(summary.order_accuracy)}`]),
    `speed                    ${Math.round(summary.tokens_per_second)} tokens/s on ${ranksOf(summary.ranks)}, ${Math.round(summary.seconds)} s in all, ${percent(summary.data_share)} of the steps waiting for samples`,
    `model                    ${output}`,
    `loss curve               ${path.join(output, 'loss.svg')}`,
  ].join('\n');
}
