// Converting an archive of the size of NVIDIA's 345M BERT, beside transformers' own script, in one run:
// `npm run bench:conversion -- --scripts WHEEL_OF_TRANSFORMERS_4.40 [--python PATH]`.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';

const { values: flags } = parseArgs({
  options: {
    python: { type: 'string', default: '.venv/bin/python' },
    scripts: { type: 'string' },
    rounds: { type: 'string', default: '5' },
  },
});
if (!existsSync(flags.python) || !flags.scripts)
  throw new Error('needs --python and --scripts: see bench/peers/requirements.txt');

const folder = path.resolve('.bench/conversion');
const archives = {
  'deflated, format of 2020': ['--container', 'legacy', '--deflate'],
  'stored, format of 2020': ['--container', 'legacy'],
  'stored, today’s format': ['--container', 'zip'],
};

/** Seconds of the whole process, which ends with a line of JSON. */
function measure(program, args) {
  const started = performance.now();
  const output = execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const seconds = (performance.now() - started) / 1000;
  return { seconds, ...JSON.parse(output.trim().split('\n').at(-1)) };
}
const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

const results = {};
for (const [name, kind] of Object.entries(archives)) {
  const archive = path.join(folder, 'megatron_bert_345m.zip');
  const target = path.join(folder, 'model');
  rmSync(folder, { recursive: true, force: true });
  execFileSync(flags.python, ['bench/peers/make_megatron_archive.py', archive, ...kind]);
  const megabytes = statSync(archive).size / 1e6;
  const contenders = {
    'megatron-bert': () => measure(process.execPath, ['bench/conversion-ours.mjs', archive, target]),
    "transformers' script": () =>
      measure(flags.python, ['bench/peers/transformers_conversion.py', flags.scripts, archive]),
  };
  const measured = Object.fromEntries(Object.keys(contenders).map((contender) => [contender, []]));
  for (let round = 0; round < Number(flags.rounds); round++)
    for (const [contender, run] of Object.entries(contenders)) {
      rmSync(target, { recursive: true, force: true });
      measured[contender].push(run());
    }
  results[name] = Object.entries(measured).map(([contender, runs]) => {
    const seconds = median(runs.map((run) => run.seconds));
    const peak = median(runs.map((run) => run.peak_mebibytes));
    return { contender, seconds, megabytes_per_second: megabytes / seconds, peak_mebibytes: peak };
  });
  console.log(`\n${name}, ${Math.round(megabytes)} MB`);
  console.table(results[name]);
}
rmSync(folder, { recursive: true, force: true });
mkdirSync('bench/results', { recursive: true });
writeFileSync('bench/results/conversion.json', `${JSON.stringify(results, null, 2)}\n`);
