// Our training in a process of its own, so that thread pools and memory are its own: prints what the first rank measured.
// node bench/training-ours.mjs '{"shape": "bert-base", "ranks": 2, "threads": 1, …}'
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { launchRanks } from '../dist/parallel/launch.js';

export const shapes = {
  'bert-small': { num_hidden_layers: 4, hidden_size: 512, num_attention_heads: 8, intermediate_size: 2048 },
  'bert-base': { num_hidden_layers: 12, hidden_size: 768, num_attention_heads: 12, intermediate_size: 3072 },
  'bert-large': {
    num_hidden_layers: 24,
    hidden_size: 1024,
    num_attention_heads: 16,
    intermediate_size: 4096,
  },
};

/** @param task shape, ranks and threads of each; microBatchSize, sequenceLength, recomputeActivations, layerRepeats, stepRepeats */
export const measureOurs = (task) =>
  runJson(process.execPath, [fileURLToPath(import.meta.url), JSON.stringify(task)]);

/** What a process prints. */
export function runJson(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve(JSON.parse(output)) : reject(new Error(`${command} ended with code ${code}`)),
    );
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { shape, ranks, ...task } = JSON.parse(process.argv[2]);
  const [first] = await launchRanks({
    mesh: { tensor: ranks, pipeline: 1, data: 1 },
    module: new URL('./training-rank.mjs', import.meta.url),
    task: { config: shapes[shape], ...task },
  });
  console.log(JSON.stringify(first));
}
