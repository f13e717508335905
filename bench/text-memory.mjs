// Memory of a pipeline that is given texts one by one. Prints a line of JSON; with --expose-gc of the heap in use.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { pipeline } from '../dist/index.js';

const { values: flags } = parseArgs({
  options: { task: { type: 'string' }, model: { type: 'string' }, texts: { type: 'string' } },
});
const stops = [1_000, 5_000, 10_000];
const lines = JSON.parse(readFileSync(flags.texts, 'utf8'));
const run = await pipeline(flags.task, flags.model);

async function* texts() {
  for (let i = 0; i < stops.at(-1); i++) yield lines[i % lines.length];
}

const mebibytes = [];
const start = performance.now();
let done = 0;
for await (const result of run(texts())) {
  if (!result) throw new Error(`no result for text ${done + 1}`);
  if (!stops.includes(++done)) continue;
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  mebibytes.push((globalThis.gc ? heapUsed : rss) / 2 ** 20);
}
const per_second = (done * 1000) / (performance.now() - start);
await run.dispose();
console.log(JSON.stringify({ stops, mebibytes, per_second }));
