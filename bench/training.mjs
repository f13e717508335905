// Training speed and peak memory beside PyTorch's, in one run: `npm run bench:training [-- --shape bert-base]
// [--python PATH] [--micro-batch-size 4 --sequence-length 512] [--recompute-activations]`; the last adds the runs that
// compute activations again.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { median } from './measure.mjs';
import { measureOurs, runJson, shapes } from './training-ours.mjs';

const { values: flags } = parseArgs({
  options: {
    shape: { type: 'string', multiple: true, default: ['bert-base', 'bert-large'] },
    python: { type: 'string', default: '.venv/bin/python' },
    'micro-batch-size': { type: 'string', default: '8' },
    'sequence-length': { type: 'string', default: '128' },
    rounds: { type: 'string', default: '2' },
    'layer-repeats': { type: 'string', default: '7' },
    'step-repeats': { type: 'string', default: '3' },
    'recompute-activations': { type: 'boolean', default: false },
  },
});

const microBatchSize = Number(flags['micro-batch-size']);
const sequenceLength = Number(flags['sequence-length']);
const tokens = microBatchSize * sequenceLength;
const vocabulary = 30592;
const repeats = { layerRepeats: Number(flags['layer-repeats']), stepRepeats: Number(flags['step-repeats']) };

// each contender measures in a process of its own
const ours = (shape, ranks, threads, recomputeActivations = 'none') =>
  measureOurs({
    ...{ shape, ranks, threads, microBatchSize, sequenceLength, recomputeActivations },
    ...repeats,
  });

const contenders = [
  { name: '1 rank × 2 threads', measure: (shape) => ours(shape, 1, 2) },
  { name: '2 ranks × 1 thread', measure: (shape) => ours(shape, 2, 1) },
];
if (flags['recompute-activations'])
  for (const what of ['selective', 'full'])
    contenders.push({
      name: `1 rank × 2 threads, ${what} recomputation`,
      measure: (shape) => ours(shape, 1, 2, what),
    });
if (existsSync(flags.python)) {
  contenders.push({ name: 'PyTorch, 2 threads', measure: (shape) => measurePyTorch(shape) });
  if (flags['recompute-activations'])
    contenders.push({
      name: 'PyTorch, 2 threads, torch.utils.checkpoint',
      measure: (shape) => measurePyTorch(shape, ['--checkpoint']),
    });
} else console.error(`PyTorch left out: there is no ${flags.python} (see bench/peers/requirements.txt)`);

const results = {};
for (const shape of flags.shape) {
  const measured = Object.fromEntries(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < Number(flags.rounds); round++)
    for (const { name, measure } of contenders) {
      console.error(`${shape}, round ${round + 1}: ${name}`);
      measured[name].push(await measure(shape));
    }
  results[shape] = measured;
  print(shape, measured);
}
mkdirSync('bench/results', { recursive: true });
writeFileSync('bench/results/training.json', `${JSON.stringify(results, null, 2)}\n`);

function measurePyTorch(shape, more = []) {
  const script = fileURLToPath(new URL('./peers/pytorch_training.py', import.meta.url));
  const sizes = ['--micro-batch-size', microBatchSize, '--sequence-length', sequenceLength, '--threads', 2];
  const counts = ['--layer-repeats', repeats.layerRepeats, '--step-repeats', repeats.stepRepeats];
  return runJson(flags.python, [script, '--shape', shape, ...sizes, ...counts, ...more].map(String));
}

/** Of the matrix products alone: forward and twice that backward. */
function flops({ hidden_size: h, intermediate_size: i, num_hidden_layers: layers }) {
  const layer = 3 * (2 * tokens * (4 * h * h + 2 * h * i) + 4 * tokens * sequenceLength * h);
  const predictions = microBatchSize * Math.round(0.15 * sequenceLength);
  return { layer, step: layers * layer + 3 * 2 * predictions * (h * h + h * vocabulary) };
}

function print(shape, measured) {
  const { layer, step } = flops(shapes[shape]);
  const rows = Object.entries(measured).flatMap(([name, runs]) => {
    const gemm = median(runs.flatMap((run) => run.gemm_gflops));
    // the machine's speed drifts: each layer is set against the product that was timed just before it
    const share = median(
      runs.flatMap(({ layer_seconds: times, gemm_gflops: rates }) =>
        times.map((time, i) => layer / time / 1e9 / (Array.isArray(rates) ? rates[i] : rates)),
      ),
    );
    const row = (label, seconds, peak) => ({
      [shape]: label,
      'GEMM GFLOP/s': gemm.toFixed(0),
      'layer ms': (1000 * median(runs.flatMap((run) => run.layer_seconds))).toFixed(0),
      'layer / GEMM': share.toFixed(2),
      'step s': seconds.toFixed(2),
      'step / GEMM': (step / seconds / 1e9 / gemm).toFixed(2),
      'tokens/s': (tokens / seconds).toFixed(0),
      'buffers MiB': runs[0].buffer_bytes ? (runs[0].buffer_bytes / 2 ** 20).toFixed(0) : '',
      'peak MiB': (peak / 2 ** 20).toFixed(0),
    });
    const rowsOfRun = [
      row(name, median(runs.flatMap((run) => run.step_seconds)), median(runs.map((run) => run.peak_bytes))),
    ];
    if (runs[0].step_seconds_masked_only)
      rowsOfRun.push(
        row(
          `${name}, head at masked positions only`,
          median(runs.flatMap((run) => run.step_seconds_masked_only)),
          median(runs.map((run) => run.peak_bytes_masked_only)),
        ),
      );
    return rowsOfRun;
  });
  const columns = Object.keys(rows[0]);
  const line = (cells) => `| ${cells.join(' | ')} |`;
  console.log(
    [line(columns), line(columns.map(() => '---')), ...rows.map((r) => line(Object.values(r)))].join('\n'),
    '\n',
  );
}
