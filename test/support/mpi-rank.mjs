// One rank of test/mpi.test.ts, in a process that mpirun started: does what the JSON file says that it is given.
import { readFileSync, writeFileSync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { rankFromEnvironment } from '../../dist/parallel/mpi/environment.js';
import { openMpi } from '../../dist/parallel/mpi/world.js';
import { runMpiRank } from '../../dist/parallel/mpi/rank.js';
import { difference, performAll } from './perform-collectives.mjs';

const [file] = isMainThread ? process.argv.slice(2) : workerData;
const { action, inWorker, mesh, cases, count, socket, ...options } = JSON.parse(readFileSync(file, 'utf8'));

// it is closed when this process is gone
if (isMainThread) connect(socket).unref();

// at once: what is printed later may be lost when all are ended
const sayFailing = () => writeSync(1, 'failing\n');
const hang = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);

if (action === 'never open' && rankFromEnvironment(process.env).rank === 1) {
  sayFailing();
  hang();
}
if (inWorker && isMainThread) new Worker(new URL(import.meta.url), { workerData: [file] });
else await runMpiRank(work, { mesh, ...options });

async function work(ranks, world) {
  const everyone = ranks.groups.world;
  const data = Float32Array.of(everyone.rank + 1);
  const report = (performed, wrong) => {
    writeFileSync(`${file}.${world.rank}`, JSON.stringify({ rank: world.rank, performed, wrong }));
  };
  everyone.barrier();
  const isCulprit = everyone.rank === 1;
  if (isCulprit) sayFailing();
  switch (action) {
    case 'cases':
      report(cases.length, await performAll(cases, ranks));
      return;
    case 'soak':
      report(count, soak(everyone));
      return;
    case 'open again':
      openMpi(options);
      return;
    case 'throw':
      if (isCulprit) throw new Error('no more\npaper');
      break;
    case 'exit':
      if (isCulprit) process.exit(3);
      break;
    case 'forget':
      if (isCulprit) await new Promise(() => {});
      break;
    case 'kill':
      if (isCulprit) process.kill(process.pid, 'SIGKILL');
      break;
    case 'hang':
      if (isCulprit) hang();
      break;
    case 'send nothing':
      if (isCulprit) hang();
      else everyone.receive(data, 1);
      break;
    case 'longer message':
      if (isCulprit) everyone.send(new Float32Array(5), 0);
      else everyone.receive(new Float32Array(3), 1);
      break;
    case 'other lengths':
      everyone.allReduce(new Float32Array(isCulprit ? 4 : 3), 'sum');
      break;
  }
  everyone.allReduce(data, 'sum');
}

/** Many small operations of all kinds, each checked. */
function soak(everyone) {
  const { rank, size } = everyone;
  const wrong = [];
  for (let i = 0; i < count && wrong.length === 0; i++) {
    const data = Float32Array.from({ length: 1 + (i % 8) }, (_, j) => rank + i + j);
    const next = (rank + 1) % size;
    const previous = (rank + size - 1) % size;
    let wanted;
    switch (i % 4) {
      case 0:
        everyone.allReduce(data, 'sum');
        wanted = data.map((_, j) => size * (i + j) + (size * (size - 1)) / 2);
        break;
      case 1:
        everyone.send(data, next);
        everyone.receive(data, previous);
        wanted = data.map((_, j) => previous + i + j);
        break;
      case 2:
        everyone.broadcast(data, i % size);
        wanted = data.map((_, j) => (i % size) + i + j);
        break;
      case 3:
        everyone.barrier();
        wanted = data;
    }
    const text = difference(data, wanted);
    if (text) wrong.push(`operation ${i}: ${text}`);
  }
  return wrong;
}
