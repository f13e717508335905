// Inference speed beside the peers', in one run: `npm run bench:inference [-- --python PATH] [--rounds 7]`.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { randomKey, randomUniform } from '../dist/random.js';
import { measureAccuracy } from './int8-accuracy.mjs';
import { writeRandomModel } from './random-model.mjs';

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string', default: '.bench/megatron-bert-345m' },
    python: { type: 'string', default: '.venv/bin/python' },
    threads: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '5' },
    'accuracy-model': { type: 'string', default: 'runs/quickstart/model' },
  },
});

const inputsFile = '.bench/inference-inputs.json';
await writeRandomModel(flags.model);
const workloads = makeWorkloads();
writeFileSync(inputsFile, JSON.stringify(workloads));

const script = (name) => fileURLToPath(new URL(name, import.meta.url));
const ours = (dtype) => ({
  name: `ours, ${dtype}`,
  command: process.execPath,
  script: './inference-ours.mjs',
  dtype,
});
const python = (name, file, dtype = 'float32') => ({
  name,
  command: flags.python,
  script: `./peers/${file}`,
  dtype,
});
const contenders = [
  ours('fp32'),
  python('PyTorch, fp32', 'pytorch_inference.py'),
  python('ONNX export, fp32', 'onnx_inference.py'),
  python('CTranslate2, fp32', 'ctranslate2_inference.py'),
  ...(hasBfloat16() ? [python('PyTorch, bf16', 'pytorch_inference.py', 'bfloat16')] : []),
  ours('int8'),
  python('CTranslate2, int8', 'ctranslate2_inference.py', 'int8'),
].filter(({ command }) => existsSync(command));
if (!existsSync(flags.python))
  console.error(`the peers are left out: there is no ${flags.python} (see bench/peers/requirements.txt)`);

const running = [];
for (const contender of contenders) {
  console.error(`loading ${contender.name}`);
  running.push({ ...contender, ...(await start(contender)) });
}

const results = Object.fromEntries(Object.keys(workloads).map((workload) => [workload, {}]));
for (const workload of Object.keys(workloads))
  // the first round warms up
  for (let round = 0; round <= Number(flags.rounds); round++)
    for (const { name, run } of running) {
      console.error(`${workload}, round ${round}: ${name}`);
      const measured = await run(workload);
      if (round > 0) (results[workload][name] ??= []).push(measured);
    }
for (const { stop } of running) stop();

print();
mkdirSync('bench/results', { recursive: true });
writeFileSync('bench/results/inference.json', `${JSON.stringify(results, null, 2)}\n`);
if (existsSync(flags['accuracy-model']))
  await measureAccuracy(flags['accuracy-model'], Number(flags.threads));
else console.error(`int8's accuracy left out: there is no ${flags['accuracy-model']} (npm start makes one)`);

function makeWorkloads() {
  const key = randomKey(1, 'workloads');
  let drawn = 0;
  const below = (n) => Math.floor(randomUniform(key, drawn++) * n);
  const texts = (lengths) => lengths.map((length) => Array.from({ length }, () => 1000 + below(29000)));
  return {
    '1 × 16': texts([16]),
    '8 × 128': texts(new Array(8).fill(128)),
    '32 × mixed': texts(Array.from({ length: 32 }, () => 8 + below(121))),
    '1 × 512': texts([512]),
  };
}

/** PyTorch falls back to slow code on processors without it. */
function hasBfloat16() {
  return existsSync('/proc/cpuinfo') && /avx512_bf16|amx_bf16/.test(readFileSync('/proc/cpuinfo', 'utf8'));
}

/** Starts a contender, which answers each workload's name with a line of JSON. */
async function start({ command, script: file, dtype }) {
  const child = spawn(
    command,
    [
      script(file),
      '--model',
      flags.model,
      '--inputs',
      inputsFile,
      '--threads',
      flags.threads,
      '--dtype',
      dtype,
    ],
    { stdio: ['pipe', 'pipe', 'ignore'], env: { ...process.env, OMP_NUM_THREADS: flags.threads } },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error(`${file} ended; run it alone to see why`);
      if (value.startsWith('{')) return JSON.parse(value);
    }
  };
  const { version } = await next();
  // threads that wait for work spin, and would take the cores of the contender that runs
  child.kill('SIGSTOP');
  return {
    version,
    async run(workload) {
      child.kill('SIGCONT');
      child.stdin.write(`${workload}\n`);
      const measured = await next();
      child.kill('SIGSTOP');
      return measured;
    },
    stop() {
      child.kill('SIGCONT');
      child.stdin.end();
    },
  };
}

function print() {
  const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
  console.log(running.map(({ name, version }) => `${name}: ${version}`).join('\n'));
  const lengths = workloads['32 × mixed'].map((text) => text.length).sort((a, b) => a - b);
  console.log(
    `\nlengths of the mixed texts: ${lengths.join(' ')} (mean ${lengths.reduce((a, b) => a + b) / 32})`,
  );
  for (const [workload, texts] of Object.entries(workloads)) {
    const reference = results[workload]['PyTorch, fp32'];
    console.log(`\n| ${workload} | ms | sentences/s | × PyTorch fp32 | peak MiB | first numbers off by |`);
    console.log('| --- | ---: | ---: | ---: | ---: | ---: |');
    for (const [name, runs] of Object.entries(results[workload])) {
      const seconds = median(runs.map((run) => run.seconds));
      // paired by round, so that a slow moment of the machine counts for both
      const ratio = reference && median(runs.map((run, i) => reference[i].seconds / run.seconds));
      const off =
        reference && Math.max(...runs[0].sample.map((x, i) => Math.abs(x - reference[0].sample[i])));
      const cells = [
        name,
        (seconds * 1000).toFixed(0),
        (texts.length / seconds).toFixed(2),
        ratio?.toFixed(2) ?? '',
        runs.at(-1).peak_mebibytes.toFixed(0),
        off?.toExponential(0) ?? '',
      ];
      console.log(`| ${cells.join(' | ')} |`);
    }
  }
}
