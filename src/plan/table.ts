/** Plans and comparisons as text for a terminal. */
import type { PaperComparison } from './paper.js';
import type { EstimateSummary } from './summary.js';
import type { Mesh } from '../parallel/mesh.js';
import type { Machine } from './machine.js';
import type { PlannedModel } from './model-sizes.js';

export interface PlanSummary {
  readonly best: EstimateSummary;
  readonly others: readonly EstimateSummary[];
  readonly considered: number;
  readonly fitting: number;
}

const meshSizes = ({ tensor, pipeline, data }: Mesh) => [tensor, pipeline, data];
const number = (value: number) => value.toLocaleString('en');
/** Three digits, in the unit that suits. */
function inUnits(value: number, unit: string): string {
  const prefixes = ['', 'k', 'M', 'G', 'T', 'P'];
  const power = value < 1000 ? 0 : Math.min(5, Math.floor(Math.log10(value * 1.0005) / 3));
  const scaled = value / 1000 ** power;
  return `${power === 0 ? value.toFixed(0) : scaled >= 999.5 ? scaled.toFixed(0) : scaled.toPrecision(3)} ${prefixes[power]}${unit}`;
}

const bytes = (value: number) => inUnits(value, 'B');
const rate = (value: number) => inUnits(value, 'FLOP/s');
const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** Three digits, in the unit that suits. */
function duration(seconds: number): string {
  const [value, unit] = seconds < 1 ? [1000 * seconds, 'ms'] : [seconds, 's'];
  return `${value >= 1000 ? value.toFixed(0) : value.toPrecision(3)} ${unit}`;
}

export function planTable(
  { best, others, considered, fitting }: PlanSummary,
  model: PlannedModel,
  machine: Machine,
  tokens: number | undefined,
): string {
  const { config } = model;
  const { mesh, memory, activations, step, traffic, utilization } = best;
  const parts = {
    'matrix products': step.products,
    'other operations': step.passes,
    'tensor all-reduces': step.tensor,
    'host copies': step.host,
    'sums of gradients': step.gradients,
    update: step.update,
    waiting: step.waiting,
  };
  const facts = [
    [
      'model',
      `${model.name}: ${config.num_hidden_layers} layers, hidden size ${config.hidden_size}, ${config.num_attention_heads} heads, sequences of ${model.sequenceLength}; ${number(best.parameters.model)} parameters`,
    ],
    ['machine', `${machine.name}, ${best.devices} devices, ${best.precision}`],
    ['mesh', `${mesh.tensor} × ${mesh.pipeline} × ${mesh.data} (tensor × pipeline × data)`],
    [
      'batch',
      `${best.globalBatchSize}; on each data-parallel rank ${best.microBatches} × ${best.microBatchSize} (micro-batches × sequences)`,
    ],
    [
      'schedule',
      `${mesh.pipeline === 1 ? 'one stage' : best.chunks === 1 ? '1F1B' : `interleaved, ${best.chunks} chunks`}; computed again: ${best.recomputation}; bubble ${percent(step.bubble)}`,
    ],
    ['parameters of a rank', number(best.parameters.rank)],
    [
      'memory of a rank',
      `${bytes(memory.total)} of ${bytes(machine.device.memory)}: weights ${bytes(memory.weights)}, gradients ${bytes(memory.gradients)}, moments ${bytes(memory.moments)}, activations ${bytes(memory.activations)}`,
    ],
    [
      'activations',
      `${bytes(activations.none)}; ${bytes(activations.selective)} with attention, ${bytes(activations.full)} with all layers computed again`,
    ],
    [
      'sent in a step',
      listed(
        {
          'to tensor ranks': traffic.tensor,
          'to pipeline ranks': traffic.pipeline,
          'to data ranks': traffic.data,
        },
        bytes,
      ) || 'nothing',
    ],
    ['step', `${duration(step.seconds)}: ${listed(parts, (seconds) => percent(seconds / step.seconds))}`],
    [
      'rate',
      `${rate(best.flopsPerDevice)} a device, ${percent(utilization.hardware)} of its peak (the model's own: ${percent(utilization.model)}); ${number(Math.round(best.tokensPerSecond))} tokens/s`,
    ],
    ...(best.days === null
      ? []
      : [['time', `${best.days.toPrecision(3)} days for ${tokens!.toPrecision(3)} tokens`]]),
  ];
  const width = Math.max(...facts.map(([name]) => name!.length)) + 2;
  const lines = facts.map(([name, text]) => `${name!.padEnd(width)}${text}`);
  return [
    ...lines,
    '',
    `of ${number(considered)} ways ${number(fitting)} fit; the fastest of each mesh:`,
    ...columns([
      ['tensor', 'pipeline', 'data', 'micro-batch', 'chunks', 'again', 'memory', 'step', 'a device'],
      ...[best, ...others].map((each) => [
        ...[...meshSizes(each.mesh), each.microBatchSize, each.chunks].map(String),
        each.recomputation,
        bytes(each.memory.total),
        duration(each.step.seconds),
        rate(each.flopsPerDevice),
      ]),
    ]),
  ].join('\n');
}

export function paperTable({ baseline, rows, checks, later }: PaperComparison): string {
  const points = (value: number) => `${value > 0 ? '+' : ''}${value.toFixed(1)}`;
  return [
    'Weak scaling, arXiv 1909.08053: per cent of the rate of 1.2 billion parameters on one device,',
    `which is ${rate(baseline.simulated)} (published: ${rate(baseline.published)})`,
    ...columns([
      ['model', 'devices', 'tensor', 'data', 'step', 'simulated', 'published', 'points'],
      ...rows.map(({ model, tensor, data, estimate, simulated, published }) => [
        model,
        ...[tensor * data, tensor, data].map(String),
        duration(estimate.step.seconds),
        simulated.toFixed(1),
        String(published),
        points(simulated - published),
      ]),
    ]),
    '',
    'The same machine, other figures',
    ...columns([
      ['what', 'simulated', 'published'],
      ...checks.map(({ what, simulated, published }) => [what, simulated.toPrecision(3), String(published)]),
    ]),
    '',
    'arXiv 2104.04473, table 1, on DGX A100: TFLOP/s of a device',
    ...columns([
      ['model', 'devices', 'tensor', 'pipeline', 'data', 'step', 'simulated', 'published', 'per cent'],
      ...later.map(({ model, estimate, published }) => [
        model,
        ...[estimate.devices, ...meshSizes(estimate.settings.mesh)].map(String),
        duration(estimate.step.seconds),
        (estimate.flopsPerDevice / 1e12).toFixed(0),
        (published / 1e12).toFixed(0),
        points(100 * (estimate.flopsPerDevice / published - 1)),
      ]),
    ]),
  ].join('\n');
}

/** Those that are not zero, to the last digit that is shown. */
function listed(parts: Readonly<Record<string, number>>, show: (value: number) => string): string {
  return Object.entries(parts)
    .filter(([, value]) => show(value) !== show(0))
    .map(([name, value]) => `${name} ${show(value)}`)
    .join(', ');
}

/** The first column is aligned left, numbers right. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
}
