// What splitting costs: two ranks of a thread each beside one rank of two threads, and all-reduces by themselves:
// npm run bench:parallel [-- --shape bert-base] [--rounds 3]
import { parseArgs } from 'node:util';
import { measureCollectives } from './collectives.mjs';
import { median, pairedRatio, printTable } from './measure.mjs';
import { measureOurs, shapes } from './training-ours.mjs';

const { values: flags } = parseArgs({
  options: {
    shape: { type: 'string', default: 'bert-large' },
    rounds: { type: 'string', default: '3' },
    'layer-repeats': { type: 'string', default: '15' },
    'step-repeats': { type: 'string', default: '2' },
  },
});
const { shape } = flags;
const [microBatchSize, sequenceLength] = [8, 128];
const task = {
  ...{ shape, microBatchSize, sequenceLength, recomputeActivations: 'none' },
  layerRepeats: Number(flags['layer-repeats']),
  stepRepeats: Number(flags['step-repeats']),
};

const [whole, split] = [[], []];
for (let round = 1; round <= Number(flags.rounds); round++) {
  console.error(`${shape}, round ${round}`);
  whole.push(await measureOurs({ ...task, ranks: 1, threads: 2 }));
  split.push(await measureOurs({ ...task, ranks: 2, threads: 1 }));
}

const tokens = microBatchSize * sequenceLength;
const row = (what, seconds, traffic) => {
  const ofRun = (run) => median(seconds(run));
  const cell = (runs) => {
    const typical = median(runs.map(ofRun));
    return `${(1000 * typical).toFixed(0)} (${(tokens / typical).toFixed(0)})`;
  };
  const shares = split.flatMap((run) => traffic(run).map((done, i) => done.seconds / seconds(run)[i]));
  return [
    what,
    cell(whole),
    cell(split),
    pairedRatio(whole, split, ofRun),
    `${(100 * median(shares)).toFixed(1)} %`,
  ];
};
printTable(
  [`${shape}, ms (tokens/s)`, '1 rank × 2 threads', '2 ranks × 1 thread', 'speed of 2 / 1', 'communicating'],
  [
    row(
      'a layer, forward and backward',
      (run) => run.layer_seconds,
      (run) => run.layer_traffic,
    ),
    row(
      'a step',
      (run) => run.step_seconds,
      (run) => run.step_traffic,
    ),
  ],
);

const { num_hidden_layers: layers, hidden_size: hidden } = shapes[shape];
const [{ layer_traffic: layer, step_traffic: step }] = split;
const numbers = (count) => `${count.toLocaleString('en')} numbers (${((4 * count) / 1e6).toFixed(1)} MB)`;
const sums = (done) => `${done.operations} all-reduces of ${numbers(done.numbers)}`;
const byPaper = (layers) => {
  const operations = 4 * layers;
  return sums({ operations, numbers: operations * tokens * hidden });
};
console.log(`
a layer: ${sums(layer[0])}; by the paper, of batch × sequence × hidden each, ${byPaper(1)}
a step: ${sums(step[0])}; by the paper, for ${layers} layers, ${byPaper(layers)};
  the others are those of embeddings, heads, loss and gradient norm`);

const { lengths, ...ways } = await measureCollectives({ size: 2 });
console.log('\nall-reduce on 2 ranks, GB of numbers a second');
printTable(
  ['numbers', ...Object.keys(ways)],
  lengths.map((length, i) => [
    length.toLocaleString('en'),
    ...Object.values(ways).map((seconds) => ((4 * length) / seconds[i] / 1e9).toFixed(2)),
  ]),
);
