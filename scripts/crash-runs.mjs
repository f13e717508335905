// Kills a small pretraining run at many moments, half of them while a checkpoint is being written, resumes it, and
// compares weights and log with those of a run that nobody killed: node scripts/crash-runs.mjs [times]
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { lastIteration, main, makeFolder, resultOf } from './small-corpus.mjs';

const times = Number(process.argv[2] ?? 100);
const folder = makeFolder('crash-runs-');
const at = (...names) => path.join(folder, ...names);

const megatronBert = (...words) => execFileSync(process.execPath, [main, ...words], { stdio: 'pipe' });
const saveInterval = 5;
const pretrain = (output, ...more) => [
  ...['pretrain', at('corpus'), '--tokenizer', at('tokenizer'), '--output', at(output)],
  ...['--num-layers', '2', '--hidden-size', '64', '--num-attention-heads', '2', '--sequence-length', '32'],
  ...['--micro-batch-size', '4', '--train-iterations', '100', '--learning-rate', '1e-3', '--threads', '1'],
  ...[
    '--evaluation-interval',
    '20',
    '--evaluation-sequences',
    '4',
    '--save-interval',
    `${saveInterval}`,
    ...more,
  ],
];

const isSaving = (output) =>
  existsSync(at(output, 'checkpoints')) &&
  readdirSync(at(output, 'checkpoints')).some((name) => name.includes('incomplete'));
const lastSaved = (output) => {
  const tracker = at(output, 'checkpoints', 'latest_checkpointed_iteration.txt');
  return existsSync(tracker) ? Number(readFileSync(tracker, 'utf8')) : 0;
};

/** Kills a run when `isTime`, looking all the while. */
function kill(output, isTime) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [main, ...pretrain(output)], { stdio: 'ignore' });
    let killed = false;
    const look = () => {
      if (killed || child.exitCode !== null) return;
      if (!isTime()) return void setTimeout(look);
      killed = child.kill('SIGKILL');
    };
    look();
    child.on('exit', () => resolve(killed));
  });
}

megatronBert('train-tokenizer', at('corpus'), '--vocab-size', '300', '--output', at('tokenizer'));
megatronBert(...pretrain('whole'));
const expected = resultOf(at('whole'));

console.log('   # | killed               | after iteration | saved | steps lost | result');
let good = 0;
for (let i = 0; i < times; i++) {
  rmSync(at('run'), { recursive: true, force: true });
  const whileSaving = i % 2 === 1;
  const after = 1 + Math.floor(Math.random() * 94);
  const killed = await kill(
    'run',
    () => lastIteration(at('run')) >= after && (!whileSaving || isSaving('run')),
  );
  const [iteration, saved] = [lastIteration(at('run')), lastSaved('run')];
  megatronBert(...pretrain('run', '--resume'));
  const isSame = resultOf(at('run')) === expected;
  // one save may be under way while the next interval begins
  const lost = iteration - saved;
  if (isSame && lost <= 2 * saveInterval) good++;
  const how = !killed ? 'too late' : whileSaving ? 'while it was saving' : 'at any moment';
  const columns = [
    String(i + 1).padStart(4),
    how.padEnd(20),
    String(iteration).padStart(15),
    String(saved).padStart(5),
  ];
  console.log(
    `${columns.join(' | ')} | ${String(lost).padStart(10)} | ${isSame ? 'the same bits' : 'DIFFERENT'}`,
  );
}
console.log(`${good} of ${times} runs went on as if nothing had happened`);
rmSync(folder, { recursive: true });
process.exitCode = good === times ? 0 : 1;
