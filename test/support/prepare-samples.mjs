// One of those that prepare the same samples at the same moment, as a thread or as a process.
import { parentPort, workerData } from 'node:worker_threads';
import { checksumOf } from '../../dist/checkpoint/file-bytes.js';
import { openSequences } from '../../dist/data/indexed/sequences.js';
import { prepareSamples } from '../../dist/data/pretraining/prepare.js';

const { prefixes, options } = workerData ?? JSON.parse(process.argv[2]);
const parts = [];
for (const prefix of prefixes) {
  const sequences = await openSequences(prefix);
  const { sha256: index } = await checksumOf(`${prefix}.idx`);
  parts.push({ sequences, index, range: { first: 0, end: sequences.count }, weight: 1 / prefixes.length });
}
const prepared = await prepareSamples(parts, options);
if (parentPort) parentPort.postMessage(prepared);
else process.stdout.write(JSON.stringify(prepared));
