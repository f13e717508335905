// All-reduces between threads and between processes of MPI, ours and MPI's own, beside a plain copy of as many numbers:
// node bench/collectives.mjs [ranks]
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { launchRanks } from '../dist/parallel/launch.js';
import { measure, median, printTable } from './measure.mjs';

const lengths = [1, 2 ** 10, 2 ** 14, 2 ** 18, 2 ** 20, 2 ** 22, 2 ** 24];
const rankModule = new URL('collectives-rank.mjs', import.meta.url);

/** Those that are installed: as root, and with more ranks than processors, Open MPI wants to be told that it is meant. */
const launchers = [
  { command: 'mpirun.openmpi', args: ['--allow-run-as-root', '--oversubscribe'] },
  { command: 'mpirun.mpich', args: [] },
];

/** Seconds that one thread takes to copy so many floats. */
function secondsToCopy(length, floatsPerBatch) {
  const source = new Float32Array(length).fill(1);
  const target = new Float32Array(length);
  const repeats = Math.max(1, Math.round(floatsPerBatch / length));
  const seconds = Array.from({ length: 7 }, () => {
    const started = performance.now();
    for (let i = 0; i < repeats; i++) target.set(source);
    return (performance.now() - started) / 1000 / repeats;
  });
  return median(seconds);
}

/** Seconds of an all-reduce by way and number of floats. */
export async function measureCollectives({ size, floatsPerBatch = 2 ** 24, mostPerBatch = 1000 }) {
  const task = { lengths, floatsPerBatch, mostPerBatch };
  const mesh = { tensor: size, pipeline: 1, data: 1 };
  const [threads] = await launchRanks({ mesh, module: rankModule, task });
  const mpi = launchers
    .filter(({ command }) => spawnSync(command, ['--version']).status === 0)
    .map(({ command, args }) => {
      const rank = [process.execPath, fileURLToPath(rankModule), JSON.stringify({ size, ...task })];
      return measure(command, [...args, '-n', String(size), ...rank]);
    });
  return {
    lengths,
    copy: lengths.map((length) => secondsToCopy(length, floatsPerBatch)),
    threads,
    ...Object.assign({}, ...mpi),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const size = Number(process.argv[2] ?? 2);
  const { lengths, ...ways } = await measureCollectives({ size });
  console.log(`all-reduce on ${size} ranks: microseconds, and GB of numbers a second`);
  const cell = (seconds, length) =>
    `${(1e6 * seconds).toFixed(1)} (${((4 * length) / seconds / 1e9).toFixed(2)})`;
  printTable(
    ['numbers', ...Object.keys(ways)],
    lengths.map((length, i) => [length, ...Object.values(ways).map((seconds) => cell(seconds[i], length))]),
  );
}
