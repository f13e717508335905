// The paper's BERT of 1.3 billion parameters, with random weights: saved as eight partitions, resharded to two stages of
// two, and computed with by four processes that each hold a quarter of it. Takes some 25 GB of disk:
// node scripts/large-model.mjs mpirun.openmpi --allow-run-as-root --oversubscribe
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeSafetensors } from '../dist/checkpoint/safetensors.js';
import { MegatronBertForPreTraining } from '../dist/index.js';
import { sizeOf } from '../dist/graph/value.js';
import { architectures } from '../dist/model/architectures.js';
import { megatronBertConfig } from '../dist/model/config.js';
import { flattenParameters } from '../dist/model/parameters.js';
import { rankFromEnvironment } from '../dist/parallel/mpi/environment.js';
import { runMpiRank } from '../dist/parallel/mpi/rank.js';
import { endProcesses, serveProcesses } from '../dist/pretrained/ranks/processes.js';
import { randomKey, randomNormal } from '../dist/random.js';
import { main } from './small-corpus.mjs';

const tokens = 128;
const mesh = { tensor: 2, pipeline: 2, data: 1 };

if (rankFromEnvironment(process.env)) await computeRank(process.argv[2]);
else await reshardAndCompute(process.argv.slice(2));

async function reshardAndCompute([command, ...args]) {
  if (!command) throw new Error('expected the command that starts processes: mpirun.openmpi or mpirun.mpich');
  const folder = mkdtempSync(path.join(tmpdir(), 'large-model-'));
  const at = (name) => path.join(folder, name);
  try {
    await writeModel(at('model'));
    convert(at('model'), at('8-1'), ['--to', 'megatron', '--tensor-model-parallel-size', '8']);
    const two = ['--tensor-model-parallel-size', '2', '--pipeline-model-parallel-size', '2'];
    convert(at('8-1'), at('2-2'), ['--to', 'megatron', ...two]);
    convert(at('2-2'), at('back'), []);
    const outputs = ['model', 'back'].map((name) => {
      const rank = [process.execPath, fileURLToPath(import.meta.url), at(name)];
      return execFileSync(command, [...args, '-n', '4', ...rank], { encoding: 'utf8' });
    });
    console.log(outputs[1]);
    const sums = outputs.map((text) => /sum of .*/.exec(text)[0]);
    if (sums[0] !== sums[1]) throw new Error(`expected the numbers before it was resharded, ${sums[0]}`);
    console.log('the same numbers as before it was resharded');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function convert(from, to, flags) {
  const started = performance.now();
  execFileSync(process.execPath, [main, 'convert', from, to, ...flags], { stdio: 'inherit' });
  console.log(`${((performance.now() - started) / 1000).toFixed(0)} s`);
}

/** Table 4 of the paper. No two rows of a matrix are equal, but they repeat: numbers of a normal distribution take long. */
async function writeModel(folder) {
  mkdirSync(folder);
  const config = megatronBertConfig({
    ...{ hidden_size: 2048, num_hidden_layers: 24, num_attention_heads: 32, intermediate_size: 8192 },
    // a multiple of what Megatron-LM pads to for eight ranks
    vocab_size: 30720,
  });
  const key = randomKey('large');
  const numbers = Float32Array.from({ length: 1_000_003 }, (_, i) => 0.02 * randomNormal(key, i));
  const parameters = flattenParameters(architectures.MegatronBertForPreTraining.parameters(config));
  const count = parameters.reduce((sum, [, { shape }]) => sum + sizeOf(shape), 0);
  console.log(`${count.toLocaleString('en')} parameters`);
  const entries = parameters.map(([name, { shape }]) => ({
    ...{ name, dtype: 'F32', shape },
    data: () => {
      const values = new Float32Array(sizeOf(shape));
      for (let start = 0; start < values.length; start += numbers.length)
        values.set(numbers.subarray(0, values.length - start), start);
      return values;
    },
  }));
  await writeSafetensors(path.join(folder, 'model.safetensors'), entries);
  const fields = { ...config, architectures: ['MegatronBertForPreTraining'] };
  writeFileSync(path.join(folder, 'config.json'), JSON.stringify(fields));
}

async function computeRank(folder) {
  await runMpiRank(
    async (ranks, { rank }) => {
      if (rank > 0) await serveProcesses(ranks);
      else {
        await compute(folder, ranks);
        await endProcesses(ranks);
      }
      const status = readFileSync('/proc/self/status', 'utf8');
      const gigabytes = (field) =>
        (Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)[1]) / 2 ** 20).toFixed(2);
      const { tensor, pipeline } = ranks.place;
      console.log(
        `rank ${rank} (stage ${pipeline}, part ${tensor}): ${gigabytes('VmHWM')} GiB at most, now ` +
          `${gigabytes('RssAnon')} of its own and ${gigabytes('RssFile')} of files`,
      );
    },
    { mesh },
  );
}

async function compute(folder, ranks) {
  const started = performance.now();
  const seconds = () => ((performance.now() - started) / 1000).toFixed(1);
  const model = await MegatronBertForPreTraining.from_pretrained(folder, {
    ...{ tensor_parallel_size: mesh.tensor, pipeline_parallel_size: mesh.pipeline, ranks, threads: 1 },
  });
  const input_ids = [Array.from({ length: tokens }, (_, i) => 1000 + i)];
  const { prediction_logits } = await model.forward({ input_ids });
  console.log(`loaded, and ${tokens} tokens computed, in ${seconds()} s`);
  console.log(`sum of |logits| ${prediction_logits.data.reduce((sum, x) => sum + Math.abs(x), 0)}`);
  await model.dispose();
}
