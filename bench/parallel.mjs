// What splitting costs: two ranks of a thread each beside one rank of two threads, and all-reduces by themselves:
// npm run bench:parallel [-- --shape bert-base] [--rounds 3]
import { parseArgs } from 'node:util';
import { measureCollectives } from './collectives.mjs';
import { median, printTable } from './measure.mjs';
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

const rounds = [];
for (let round = 1; round <= Number(flags.rounds); round++) {
  console.error(`${shape}, round ${round}`);
  const whole = await measureOurs({ ...task, ranks: 1, threads: 2 });
  const split = await measureOurs({ ...task, ranks: 2, threads: 1 });
  rounds.push({ whole, split });
}

const ratio = (of) =>
  median(rounds.map(({ whole, split }) => median(of(whole)) / median(of(split)))).toFixed(2);
const milliseconds = (side, of) => (1000 * median(rounds.map((round) => median(of(round[side]))))).toFixed(0);
const row = (what, seconds, traffic) => {
  const shares = rounds.flatMap(({ split }) =>
    traffic(split).map((done, i) => done.seconds / seconds(split)[i]),
  );
  return [
    what,
    milliseconds('whole', seconds),
    milliseconds('split', seconds),
    ratio(seconds),
    `${(100 * median(shares)).toFixed(1)} %`,
  ];
};
printTable(
  [shape, '1 rank × 2 threads, ms', '2 ranks × 1 thread, ms', 'speed of 2 / 1', 'communicating'],
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
const [{ split }] = rounds;
const activation = microBatchSize * sequenceLength * hidden;
const count = ({ operations, numbers }) =>
  `${operations} all-reduces of ${numbers.toLocaleString('en')} numbers`;
console.log(`
a layer: ${count(split.layer_traffic[0])}; by the paper 4 × batch × sequence × hidden, ${(4 * activation).toLocaleString('en')}
a step: ${count(split.step_traffic[0])}; by the paper 4 for each of ${layers} layers, ${(4 * layers * activation).toLocaleString('en')} numbers,
  and those of embeddings, heads, loss and gradient norm`);

const { lengths, ...ways } = await measureCollectives({ size: 2 });
console.log('\nall-reduce on 2 ranks, GB of numbers a second');
printTable(
  ['numbers', ...Object.keys(ways)],
  lengths.map((length, i) => [
    length.toLocaleString('en'),
    ...Object.values(ways).map((seconds) => ((4 * length) / seconds[i] / 1e9).toFixed(2)),
  ]),
);
