// Ours in the benchmark of data sets: the peer's task (bench/peers/data.py). Prints a line of JSON.
import { parseArgs } from 'node:util';
import { preprocess } from '../dist/index.js';

const { values: flags } = parseArgs({
  options: {
    input: { type: 'string' },
    tokenizer: { type: 'string' },
    'output-prefix': { type: 'string' },
    workers: { type: 'string' },
  },
});
const stops = [0.05, 0.1, 0.25, 0.5, 0.75, 1];
const resident = [];
const { seconds } = await preprocess({
  input: [flags.input],
  tokenizer: flags.tokenizer,
  outputPrefix: flags['output-prefix'],
  workers: Number(flags.workers),
  onProgress({ done, total }) {
    if (!(done / total >= stops[resident.length])) return;
    resident.push({ done: stops[resident.length], mebibytes: process.memoryUsage.rss() / 2 ** 20 });
  },
});
console.log(JSON.stringify({ seconds, resident, peak_mebibytes: process.resourceUsage().maxRSS / 1024 }));
