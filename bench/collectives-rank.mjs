// One rank of the benchmark of collectives, a thread or a process of an MPI launcher: how long an all-reduce takes.
import { isMainThread } from 'node:worker_threads';
import { runMpiRank } from '../dist/parallel/mpi/rank.js';
import { runRank } from '../dist/parallel/rank.js';
import { median } from './measure.mjs';

const batches = 7;

/** Seconds of an all-reduce of each number of floats. */
async function work({ lengths, floatsPerBatch, mostPerBatch }, { groups: { world } }) {
  const results = [];
  for (const length of lengths) {
    // as engines have them: memory that others share
    const data = new Float32Array(new SharedArrayBuffer(4 * length));
    const repeats = Math.max(1, Math.min(mostPerBatch, Math.round(floatsPerBatch / length)));
    const seconds = [];
    for (let batch = 0; batch <= batches; batch++) {
      await world.barrier();
      const started = performance.now();
      for (let i = 0; i < repeats; i++) await world.allReduce(data, 'sum');
      seconds.push((performance.now() - started) / 1000 / repeats);
    }
    // the first touches the memory, and finds the way
    results.push(median(seconds.slice(1)));
  }
  return results;
}

if (isMainThread) {
  const { size, timeoutSeconds, ...task } = JSON.parse(process.argv[2]);
  const mesh = { tensor: size, pipeline: 1, data: 1 };
  await runMpiRank(
    async (ranks, { rank, library }) => {
      const seconds = await work(task, ranks);
      if (rank === 0) console.log(JSON.stringify({ library, seconds }));
    },
    { mesh, timeoutSeconds },
  );
} else await runRank(work);
