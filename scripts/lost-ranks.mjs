// Ends a random rank of a small pretraining run at random moments; the run goes on from what it has saved, and its weights
// and log are compared with those of a run that lost none. Threads: node scripts/lost-ranks.mjs [times]
// Processes, which are killed: node scripts/lost-ranks.mjs 50 mpirun.openmpi --allow-run-as-root --oversubscribe
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import threads from 'node:worker_threads';
import { lastIteration, main, makeFolder, resultOf } from './small-corpus.mjs';

const [times = '50', ...launcher] = process.argv.slice(2);
const folder = makeFolder('lost-ranks-');
const at = (...names) => path.join(folder, ...names);

const iterations = 40;
const flags = (output) => [
  ...['pretrain', at('corpus'), '--tokenizer', at('tokenizer'), '--output', at(output)],
  ...['--tensor-model-parallel-size', '2', '--pipeline-model-parallel-size', '2'],
  ...['--num-layers', '2', '--hidden-size', '32', '--num-attention-heads', '2', '--sequence-length', '32'],
  ...['--micro-batch-size', '2', '--global-batch-size', '8', '--train-iterations', `${iterations}`],
  ...['--learning-rate', '1e-3', '--evaluation-interval', '20', '--evaluation-sequences', '4'],
  ...['--save-interval', '4', '--threads', '1'],
];

const anyOf = (list) => list[Math.floor(Math.random() * list.length)];

/** @returns seconds from the loss of a rank until the run was over, or went on */
const loseRank = launcher.length > 0 ? killProcess : endThread;

async function killProcess(moment) {
  const ranks = () =>
    spawnSync('pgrep', ['-f', at('run')], { encoding: 'utf8' })
      .stdout.split('\n')
      .filter((id) => {
        const command =
          id && existsSync(`/proc/${id}/cmdline`) && readFileSync(`/proc/${id}/cmdline`, 'utf8');
        return command && command.startsWith(process.execPath);
      });
  const [command, ...args] = launcher;
  const begin = (...more) =>
    spawn(command, [...args, '-n', '4', process.execPath, main, ...flags('run'), ...more], {
      stdio: 'ignore',
    });
  const run = begin();
  const ended = new Promise((resolve) => run.on('exit', resolve));
  const lostAt = await new Promise((resolve) => {
    const look = () => {
      if (lastIteration(at('run')) < moment) return void setTimeout(look);
      process.kill(Number(anyOf(ranks())), 'SIGKILL');
      resolve(performance.now());
    };
    look();
  });
  await ended;
  const seconds = (performance.now() - lostAt) / 1000;
  if (ranks().length > 0) throw new Error(`left behind: ${ranks()}`);
  const again = begin('--resume');
  await new Promise((resolve) => again.on('exit', resolve));
  return seconds;
}

async function endThread(moment) {
  const ranks = new Set();
  const { Worker } = threads;
  threads.Worker = class extends Worker {
    constructor(...values) {
      super(...values);
      ranks.add(this);
      this.on('exit', () => ranks.delete(this));
    }
  };
  syncBuiltinESMExports();
  const { pretrain } = await import('../dist/index.js');
  let [lostAt, seconds] = [undefined, undefined];
  await pretrain({
    ...{ corpus: at('corpus'), tokenizer: at('tokenizer'), output: at('run'), threads: 1 },
    ...{ tensorModelParallelSize: 2, pipelineModelParallelSize: 2 },
    config: { num_hidden_layers: 2, hidden_size: 32, num_attention_heads: 2, intermediate_size: 128 },
    ...{ sequenceLength: 32, microBatchSize: 2, globalBatchSize: 8, trainIterations: iterations },
    ...{ learningRate: 1e-3, evaluationInterval: 20, evaluationSequences: 4, saveInterval: 4, restarts: 1 },
    onEvent: (event) => {
      if (event.kind === 'step' && event.iteration === moment && lostAt === undefined) {
        lostAt = performance.now();
        void anyOf([...ranks]).terminate();
      } else if (event.kind === 'warning') seconds = (performance.now() - lostAt) / 1000;
    },
  });
  threads.Worker = Worker;
  return seconds;
}

const run = (...words) => execFileSync(process.execPath, [main, ...words], { stdio: 'pipe' });
run('train-tokenizer', at('corpus'), '--vocab-size', '300', '--output', at('tokenizer'));
run(...flags('whole'));
const expected = resultOf(at('whole'));

console.log('   # | lost rank after iteration | seconds until all knew | result');
let good = 0;
for (let i = 1; i <= Number(times); i++) {
  rmSync(at('run'), { recursive: true, force: true });
  const moment = 1 + Math.floor(Math.random() * (iterations - 8));
  const seconds = await loseRank(moment);
  const isSame = resultOf(at('run')) === expected;
  if (isSame && seconds < 5) good++;
  console.log(
    `${String(i).padStart(4)} | ${String(moment).padStart(25)} | ${seconds.toFixed(2).padStart(22)} | ${isSame ? 'the same bits' : 'DIFFERENT'}`,
  );
}
console.log(`${good} of ${times} runs ended as if no rank had been lost`);
rmSync(folder, { recursive: true });
process.exitCode = good === Number(times) ? 0 : 1;
