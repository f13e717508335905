// Data sets of token ids beside a Python loop over the Rust tokenizers and megatron-core's builder, samples of them beside
// megatron-core's, and the memory of a data set that is larger than it, in one run:
// `npm run bench:data [-- --python PATH] [--corpus FILE.jsonl] [--megabytes 50] [--rounds 3] [--memory-limit 320]`.
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  openSync,
  writeSync,
  closeSync,
} from 'node:fs';
import { parseArgs } from 'node:util';
import { measure, median, pairedRatio, printTable, takeTurns } from './measure.mjs';
import { preprocess } from '../dist/index.js';
import { samples, writeSampleTokenizers } from './text-samples.mjs';

const { values: flags } = parseArgs({
  options: {
    python: { type: 'string', default: '.venv/bin/python' },
    corpus: { type: 'string' },
    megabytes: { type: 'string', default: '50' },
    rounds: { type: 'string', default: '3' },
    'memory-limit': { type: 'string', default: '320' },
  },
});
const hasPeer = existsSync(flags.python);
if (!hasPeer)
  console.error(`the peer is left out: there is no ${flags.python} (see bench/peers/requirements.txt)`);

const folder = '.bench/data';
mkdirSync(folder, { recursive: true });
const tokenizers = await writeSampleTokenizers(folder);
const lines = flags.corpus
  ? readFileSync(flags.corpus, 'utf8').trimEnd().split('\n')
  : samples['Moby-Dick by chapters'].map((text) => JSON.stringify({ text }));

const results = { preprocessing: preprocessAll(), samples: await makeSamples(), memory: measureMemory() };
mkdirSync('bench/results', { recursive: true });
writeFileSync('bench/results/data.json', `${JSON.stringify(results, null, 2)}\n`);

/** The lines, over and over until they are so many bytes. */
function writeCorpus(name, bytes) {
  const path = `${folder}/${name}`;
  const block = Buffer.from(`${lines.join('\n')}\n`);
  const file = openSync(path, 'w');
  for (let written = 0; written < bytes; written += block.length) writeSync(file, block);
  closeSync(file);
  return path;
}

function runOurs(tokenizer, corpus, workers, prefix) {
  const args = ['--tokenizer', tokenizer, '--input', corpus, '--output-prefix', prefix];
  return measure(process.execPath, ['bench/data-ours.mjs', ...args, '--workers', String(workers)]);
}

function ours(tokenizer, corpus, workers) {
  const prefix = `${folder}/ours`;
  const run = runOurs(tokenizer, corpus, workers, prefix);
  return { ...run, sha256: takeChecksum(`${prefix}_text_document`) };
}

function peer(method, tokenizer, corpus, workers) {
  const prefix = `${folder}/theirs`;
  const args = ['--tokenizer', tokenizer, '--input', corpus, '--output-prefix', prefix];
  const more = ['--method', method, '--workers', String(workers)];
  const run = measure(flags.python, ['bench/peers/data.py', ...args, ...more], {
    TOKENIZERS_PARALLELISM: String(method === 'threads' && workers > 1),
    RAYON_NUM_THREADS: String(method === 'threads' ? workers : 1),
    // what megatron-core says of packages for GPUs
    PYTHONWARNINGS: 'ignore',
  });
  return { ...run, sha256: takeChecksum(prefix) };
}

/** Of a data set, which is removed. */
function takeChecksum(prefix) {
  const hash = createHash('sha256');
  for (const file of [`${prefix}.bin`, `${prefix}.idx`]) {
    hash.update(readFileSync(file));
    rmSync(file);
  }
  rmSync(`${prefix}.vocabulary.json`, { force: true });
  return hash.digest('hex');
}

function preprocessAll() {
  const corpus = writeCorpus('corpus.jsonl', Number(flags.megabytes) * 1e6);
  const { size } = statSync(corpus);
  const measured = {};
  for (const [type, tokenizer] of Object.entries(tokenizers))
    for (const workers of [1, 2]) {
      console.error(`preprocessing, ${type}, workers: ${workers}`);
      const runs = takeTurns(Number(flags.rounds), {
        ours: () => ours(tokenizer, corpus, workers),
        ...(hasPeer && {
          'Python, processes as in preprocess_data.py': () => peer('processes', tokenizer, corpus, workers),
          'Python, threads of encode_batch_fast': () => peer('threads', tokenizer, corpus, workers),
        }),
      });
      const checksums = new Set(Object.values(runs).flatMap((list) => list.map(({ sha256 }) => sha256)));
      if (checksums.size > 1) throw new Error(`${type}: the contenders wrote other data sets`);
      const title = `${type}, ${workers === 1 ? 'one worker' : `${workers} workers`}, ${(size / 1e6).toFixed(0)} MB`;
      printTable(
        [title, 'MB/s', 'ours is × as fast', 'largest process, MiB'],
        Object.entries(runs).map(([name, list]) => [
          name,
          (size / 1e6 / median(list.map(({ seconds }) => seconds))).toFixed(2),
          pairedRatio(list, runs.ours, ({ seconds }) => seconds),
          median(list.map((run) => run.peak_mebibytes)).toFixed(0),
        ]),
      );
      measured[title] = runs;
    }
  return measured;
}

/** Indices and samples of the novel, one process each. */
async function makeSamples() {
  const corpus = writeCorpus('novel.jsonl', 1);
  const measured = {};
  for (const [kind, sequenceLength, count] of [
    ['bert', 128, 20_000],
    ['bert', 512, 5_000],
    ['gpt', 1024, 5_000],
  ]) {
    const outputPrefix = `${folder}/samples-${kind}`;
    const prefix = `${outputPrefix}_text_${kind === 'bert' ? 'sentence' : 'document'}`;
    for (const end of ['bin', 'idx']) rmSync(`${prefix}.${end}`, { force: true });
    const { wordpiece: tokenizer } = tokenizers;
    const encoding = kind === 'bert' ? { splitSentences: true, longestSequence: 512 } : {};
    await preprocess({ input: [corpus], tokenizer, outputPrefix, ...encoding });
    const args = [
      ...['--prefix', prefix, '--tokenizer', tokenizer, '--kind', kind],
      ...['--sequence-length', `${sequenceLength}`, '--count', `${count}`],
    ];
    const title = `${kind} samples of ${sequenceLength} tokens`;
    console.error(title);
    const runs = takeTurns(Number(flags.rounds), {
      ours: () => measure(process.execPath, ['bench/data-samples.mjs', ...args]),
      ...(hasPeer && {
        'megatron-core': () =>
          measure(flags.python, ['bench/peers/data_samples.py', ...args], { PYTHONWARNINGS: 'ignore' }),
      }),
    });
    if (new Set(Object.values(runs).flatMap((list) => list.map(({ sum }) => sum))).size > 1)
      throw new Error(`${title}: the contenders made other samples`);
    printTable(
      [title, 'samples/s', 'ours is × as fast', 'index, s', 'largest process, MiB'],
      Object.entries(runs).map(([name, list]) => [
        name,
        (count / median(list.map(({ seconds }) => seconds))).toFixed(0),
        pairedRatio(list, runs.ours, ({ seconds }) => seconds),
        median(list.map(({ prepare_seconds }) => prepare_seconds)).toFixed(2),
        median(list.map((run) => run.peak_mebibytes)).toFixed(0),
      ]),
    );
    measured[title] = runs;
  }
  return measured;
}

/** One worker, and twenty times as much text as the process may have memory. */
function measureMemory() {
  const limit = Number(flags['memory-limit']);
  console.error(`memory, ${20 * limit} MiB of text`);
  const corpus = writeCorpus('large.jsonl', 20 * limit * 2 ** 20);
  const run = runOurs(tokenizers.wordpiece, corpus, 1, `${folder}/large`);
  for (const name of readdirSync(folder)) if (name.startsWith('large')) rmSync(`${folder}/${name}`);
  printTable(
    [
      `${20 * limit} MiB of text`,
      ...run.resident.map(({ done }) => `MiB after ${(100 * done).toFixed(0)} %`),
      'most',
    ],
    [
      [
        'resident',
        ...run.resident.map(({ mebibytes }) => mebibytes.toFixed(0)),
        run.peak_mebibytes.toFixed(0),
      ],
    ],
  );
  if (run.peak_mebibytes > limit)
    throw new Error(`expected at most ${limit} MiB, found ${run.peak_mebibytes.toFixed(0)}`);
  return run;
}
