// One rank of the benchmark of collectives, a thread or a process of an MPI launcher: how long an all-reduce takes, ours
// and MPI's own.
import koffi from 'koffi';
import { isMainThread } from 'node:worker_threads';
import { rankFromEnvironment } from '../dist/parallel/mpi/environment.js';
import { openLibrary } from '../dist/parallel/mpi/library.js';
import { runMpiRank } from '../dist/parallel/mpi/rank.js';
import { runRank } from '../dist/parallel/rank.js';
import { median } from './measure.mjs';

const batches = 7;

/** Seconds of an all-reduce of each number of floats. */
async function work(
  { lengths, floatsPerBatch, mostPerBatch },
  { groups: { world } },
  _report,
  allReduce = (data) => world.allReduce(data, 'sum'),
) {
  const results = [];
  for (const length of lengths) {
    // as engines have them: memory that others share
    const data = new Float32Array(new SharedArrayBuffer(4 * length));
    const repeats = Math.max(1, Math.min(mostPerBatch, Math.round(floatsPerBatch / length)));
    const seconds = [];
    for (let batch = 0; batch <= batches; batch++) {
      await world.barrier();
      const started = performance.now();
      for (let i = 0; i < repeats; i++) await allReduce(data);
      seconds.push((performance.now() - started) / 1000 / repeats);
    }
    // the first touches the memory, and finds the way
    results.push(median(seconds.slice(1)));
  }
  return results;
}

/** MPI_Allreduce in place (MPI 4.1, section 6.9.1). */
function mpiAllReduce() {
  const { path, kind, handles } = openLibrary(undefined, rankFromEnvironment(process.env)?.launcher);
  const { handleType: handle } = kind;
  const values = ['intptr_t', 'void *', 'int', handle, handle, handle];
  const call = koffi.load(path).func('MPI_Allreduce', 'int', values);
  const inPlace = kind.name === 'Open MPI' ? 1 : -1;
  return (data) => call(inPlace, data, data.length, handles.float, handles.sum, handles.world);
}

if (isMainThread) {
  const { size, timeoutSeconds, ...task } = JSON.parse(process.argv[2]);
  const mesh = { tensor: size, pipeline: 1, data: 1 };
  await runMpiRank(
    async (ranks, { rank, library }) => {
      const ours = await work(task, ranks);
      const own = await work(task, ranks, undefined, mpiAllReduce());
      if (rank === 0)
        console.log(JSON.stringify({ [`ours over ${library}`]: ours, [`${library}'s own`]: own }));
    },
    { mesh, timeoutSeconds },
  );
} else await runRank(work);
