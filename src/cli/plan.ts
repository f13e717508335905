import { Option, type Command } from 'commander';
import { writeFile } from 'node:fs/promises';
import { InputError } from '../errors.js';
import { scheduleChart } from '../plan/chart.js';
import type { Estimate } from '../plan/estimate.js';
import { readMachine, type Machine, type Precision } from '../plan/machine.js';
import { builtInMachines } from '../plan/machines.js';
import { modelOfSizes, namedModels, readModel, type PlannedModel } from '../plan/model-sizes.js';
import { comparePaper } from '../plan/paper.js';
import { plan } from '../plan/plan.js';
import { summarize } from '../plan/summary.js';
import { paperTable, planTable } from '../plan/table.js';
import { recomputations, type Recomputation } from '../train/recomputation.js';
import { architectures, type Architecture } from '../train/trained-model.js';
import { command, nonNegativeNumber, positiveInteger } from './options.js';
import { printable } from './text.js';

interface Flags {
  readonly model?: string;
  readonly architecture?: Architecture;
  readonly numLayers?: number;
  readonly hiddenSize?: number;
  readonly numAttentionHeads?: number;
  readonly ffnHiddenSize?: number;
  readonly vocabSize?: number;
  readonly sequenceLength?: number;
  readonly machine: string;
  readonly devices?: number;
  readonly precision: Precision;
  readonly globalBatchSize: number;
  readonly microBatchSize?: number;
  readonly tensorModelParallelSize?: number;
  readonly pipelineModelParallelSize?: number;
  readonly chunks?: number;
  readonly recomputeActivations?: Recomputation;
  readonly useDistributedOptimizer?: true;
  readonly tokens?: number;
  readonly picture?: string;
  readonly paper?: true;
  readonly json?: true;
}

export function planCommand(): Command {
  return command(
    'plan',
    'Tell what training a model takes on a machine: memory, time, communication, and the mesh that is the fastest.',
    [
      'plan --model gpt2-8.3b --machine dgx-2h --devices 512 --global-batch-size 512 --tokens 35e9',
      'plan --model gpt-145b --machine dgx-a100 --devices 1536 --global-batch-size 2304 --picture plan.svg',
      'plan --num-layers 4 --hidden-size 256 --num-attention-heads 4 --sequence-length 128 --machine laptop --precision fp32 --global-batch-size 32',
      'plan --model my-model --machine my-cluster.json --tensor-model-parallel-size 2 --json',
      'plan --paper',
    ],
  )
    .option(
      '--model <name>',
      `${Object.keys(namedModels).join(', ')}, or a model folder, or a config.json; sizes instead of it:`,
    )
    .addOption(
      new Option('--architecture <name>', 'of a model of sizes (default: bert)').choices(
        Object.keys(architectures),
      ),
    )
    .option('--num-layers <n>', 'transformer layers', positiveInteger)
    .option('--hidden-size <n>', 'width of the residual stream', positiveInteger)
    .option('--num-attention-heads <n>', 'heads of each layer', positiveInteger)
    .option('--ffn-hidden-size <n>', 'width of the MLP (default: 4 × hidden size)', positiveInteger)
    .option('--vocab-size <n>', 'tokens (default: as BERT or GPT-2 has them)', positiveInteger)
    .option('--sequence-length <n>', 'tokens of a sequence (default: as the model has them)', positiveInteger)
    .option(
      '--machine <name>',
      `${Object.keys(builtInMachines).join(', ')}, or a .json file with such a description`,
      'dgx-a100',
    )
    .option('--devices <n>', 'how many are used (default: those of a server)', positiveInteger)
    .addOption(
      new Option('--precision <type>', 'mixed 16 bits, or float32').choices(['fp16', 'fp32']).default('fp16'),
    )
    .option('--global-batch-size <n>', 'sequences of an update', positiveInteger, 512)
    .option('--micro-batch-size <n>', 'sequences computed at once (default: searched)', positiveInteger)
    .option('--tensor-model-parallel-size <n>', 'default: searched, as the next three', positiveInteger)
    .option('--pipeline-model-parallel-size <n>', 'stages that the layers are divided over', positiveInteger)
    .option('--chunks <n>', 'parts of the model on each stage; several are interleaved', positiveInteger)
    .addOption(
      new Option('--recompute-activations <what>', 'in the backward pass, to need less memory').choices([
        ...recomputations,
      ]),
    )
    .option('--use-distributed-optimizer', 'moments are shared out to the data-parallel ranks')
    .option('--tokens <n>', 'how long so many take', nonNegativeNumber)
    .option('--picture <file>', 'an SVG of a step, stage by stage')
    .option('--paper', "Megatron-LM's published figures beside the simulated, and nothing else")
    .option('--json', 'print everything as JSON')
    .action(async (flags: Flags) => {
      if (flags.paper) printPaper(flags);
      else await printPlan(flags);
    });
}

function printPaper({ json }: Flags): void {
  const comparison = comparePaper();
  const withoutEvents = <Row extends { readonly estimate: { readonly step: object } }>({
    estimate,
    ...row
  }: Row) => ({ ...row, estimate: { ...estimate, step: { ...estimate.step, events: undefined } } });
  const { rows, later, ...rest } = comparison;
  console.log(
    json
      ? JSON.stringify({ ...rest, rows: rows.map(withoutEvents), later: later.map(withoutEvents) })
      : paperTable(comparison),
  );
}

async function printPlan(flags: Flags): Promise<void> {
  const [model, machine] = [await modelOf(flags), await readMachine(flags.machine)];
  const { tokens, picture, json } = flags;
  const found = plan({
    ...{ model, machine },
    devices: flags.devices ?? machine.devicesPerServer,
    globalBatchSize: flags.globalBatchSize,
    precision: flags.precision,
    distributedOptimizer: flags.useDistributedOptimizer ?? false,
    fixed: {
      tensor: flags.tensorModelParallelSize,
      pipeline: flags.pipelineModelParallelSize,
      microBatchSize: flags.microBatchSize,
      chunks: flags.chunks,
      recomputation: flags.recomputeActivations,
    },
  });
  if (picture !== undefined)
    await writeFile(picture, scheduleChart(found.best, titleOf(model, machine, found.best)));
  const summary = {
    best: summarize(found.best, model, machine, tokens),
    others: found.others.map((other) => summarize(other, model, machine, tokens)),
    ...{ considered: found.considered, fitting: found.fitting },
  };
  console.log(
    json ? JSON.stringify({ machine, ...summary }) : printable(planTable(summary, model, machine, tokens)),
  );
}

function titleOf({ name }: PlannedModel, machine: Machine, { devices, settings }: Estimate): string {
  const { tensor, pipeline, data } = settings.mesh;
  return `${name} on ${devices} devices (${machine.name}): ${tensor} tensor × ${pipeline} pipeline × ${data} data ranks`;
}

/** @throws InputError where neither a name nor sizes are given, or both */
async function modelOf(flags: Flags): Promise<PlannedModel> {
  const { model, numLayers: layers, hiddenSize, numAttentionHeads: heads, sequenceLength } = flags;
  const isSized = [layers, hiddenSize, heads, flags.ffnHiddenSize, flags.vocabSize].some(
    (size) => size !== undefined,
  );
  if (model !== undefined) {
    if (isSized || flags.architecture) throw new InputError('expected --model or sizes, found both');
    return readModel(model, sequenceLength);
  }
  if (layers === undefined || hiddenSize === undefined || heads === undefined)
    throw new InputError(
      'expected --model, or --num-layers, --hidden-size and --num-attention-heads, found neither',
    );
  const { architecture, ffnHiddenSize, vocabSize } = flags;
  const sizes = { architecture, layers, hiddenSize, heads, ffnHiddenSize, vocabSize, sequenceLength };
  return modelOfSizes(sizes, `${layers} × ${hiddenSize}`);
}
