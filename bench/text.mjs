// Encoding and training beside the Rust tokenizers, and the memory of a stream, in one run:
// `npm run bench:text [-- --python PATH] [--rounds 3]`. One thread each where nothing else is said; Node collects
// garbage in others besides, which the cores show.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { trainWordPiece } from '../dist/index.js';
import { measure, median, pairedRatio, printTable, takeTurns } from './measure.mjs';
import { book, samples, writeJson, writeSampleTokenizers } from './text-samples.mjs';

const { values: flags } = parseArgs({
  options: {
    python: { type: 'string', default: '.venv/bin/python' },
    rounds: { type: 'string', default: '3' },
    passes: { type: 'string', default: '5' },
  },
});
const hasPeer = existsSync(flags.python);
if (!hasPeer)
  console.error(`the peer is left out: there is no ${flags.python} (see bench/peers/requirements.txt)`);

const folder = '.bench/text';
mkdirSync(folder, { recursive: true });
const tokenizers = await writeSampleTokenizers(folder);

const ours = (args) => measure(process.execPath, ['bench/text-ours.mjs', ...args]);
const rust = (threads, args) =>
  measure(flags.python, ['bench/peers/text.py', ...args], {
    TOKENIZERS_PARALLELISM: String(threads > 1),
    RAYON_NUM_THREADS: String(threads),
  });

const agree = { wordpiece: agreeOnPieces, bpe: agreeOnMerges };
const results = {
  encoding: Object.fromEntries(
    Object.entries(tokenizers).map(([type, path]) => [type, encodeAll(type, path)]),
  ),
  training: { wordpiece: await trainAll('wordpiece'), bpe: await trainAll('bpe') },
  memory: streamAll(),
};
mkdirSync('bench/results', { recursive: true });
writeFileSync('bench/results/text.json', `${JSON.stringify(results, null, 2)}\n`);

function encodeAll(type, tokenizer) {
  const encoded = {};
  for (const [sample, texts] of Object.entries(samples)) {
    console.error(`encoding ${sample}, ${type}`);
    const bytes = Buffer.byteLength(texts.join(''));
    const file = writeJson(`${folder}/texts.json`, texts);
    const args = (method) => [
      ...['encode', '--tokenizer', tokenizer, '--texts', file],
      ...['--method', method, '--passes', flags.passes],
    ];
    const runs = takeTurns(Number(flags.rounds), {
      'ours, tokenizer(texts)': () => ours(args('call')),
      'ours, tokenizer.encode(text)': () => ours(args('encode')),
      ...(hasPeer && {
        'Rust, encode_batch': () => rust(1, args('encode_batch')),
        'Rust, encode_batch_fast': () => rust(1, args('encode_batch_fast')),
        'Rust, encode_batch, 2 threads': () => rust(2, args('encode_batch')),
        'Rust, encode_batch_fast, 2 threads': () => rust(2, args('encode_batch_fast')),
      }),
    });
    const ids = new Set(Object.values(runs).flatMap((list) => list.map((run) => run.ids)));
    if (ids.size > 1) throw new Error(`${sample}: the contenders found other ids`);
    printEncoding(`${type}, ${sample}: ${texts.length} texts, ${(bytes / 1e6).toFixed(2)} MB`, runs, bytes);
    encoded[sample] = { bytes, runs };
  }
  return encoded;
}

/** The first pass of a process, the first of a tokenizer in a process that has run others, and those that follow. */
function printEncoding(title, runs, bytes) {
  const speed = (list, of) => (bytes / 1e6 / median(list.map(of))).toFixed(2);
  const first = (run) => run.first;
  const steady = (run) => median(run.steady);
  const peer = runs['Rust, encode_batch_fast'];
  const rows = Object.entries(runs).map(([name, list]) => [
    name,
    speed(list, first),
    list[0].forgotten ? speed(list, (run) => run.forgotten) : '',
    speed(list, steady),
    pairedRatio(peer, list, first),
    pairedRatio(peer, list, steady),
    median(list.map(({ cores }) => median(cores))).toFixed(2),
    median(list.map((run) => run.peak_mebibytes)).toFixed(0),
  ]);
  const fast = '× encode_batch_fast';
  printTable(
    [
      title,
      'first MB/s',
      'new tokenizer',
      'steady MB/s',
      `first ${fast}`,
      `steady ${fast}`,
      'cores',
      'peak MiB',
    ],
    rows,
  );
}

async function trainAll(type) {
  const once = `${folder}/moby-dick.txt`;
  const often = `${folder}/moby-dick-20.txt`;
  writeFileSync(once, book);
  writeFileSync(often, `${book}\n`.repeat(20));
  const tasks = [
    ['Moby-Dick to 8,192 pieces', once, 8_192],
    ['Moby-Dick to 30,522 pieces', once, 30_522],
    ['Moby-Dick 20 times to 30,522 pieces', often, 30_522],
  ];
  const trained = {};
  for (const [title, corpus, size] of tasks) {
    console.error(`training ${type} on ${title}`);
    const output = `${folder}/pieces.json`;
    const args = ['train', '--type', type, '--corpus', corpus, '--vocab-size', String(size)];
    args.push('--output', output);
    const withPieces = (run) => ({ ...run, ...JSON.parse(readFileSync(output, 'utf8')) });
    const runs = takeTurns(Number(flags.rounds), {
      ours: () => withPieces(ours(args)),
      ...(hasPeer && {
        Rust: () => withPieces(rust(1, args)),
        'Rust, 2 threads': () => withPieces(rust(2, args)),
      }),
    });
    printTraining(`${type}, ${title}`, runs);
    trained[title] = {
      runs: withoutPieces(runs),
      ...(hasPeer && { agreement: await agree[type](runs, corpus, size) }),
    };
  }
  return trained;
}

function printTraining(title, runs) {
  const rows = Object.entries(runs).map(([name, list]) => [
    name,
    median(list.map((run) => run.seconds)).toFixed(2),
    pairedRatio(list, runs.Rust, (run) => run.seconds),
    median(list.map((run) => run.cores)).toFixed(2),
    median(list.map((run) => run.peak_mebibytes)).toFixed(0),
    list[0].pieces.length,
  ]);
  printTable([title, 'seconds', '× Rust', 'cores', 'peak MiB', 'pieces'], rows);
}

function withoutPieces(runs) {
  const without = (list) =>
    list.map((run) => ({ ...run, pieces: run.pieces.length, merges: run.merges?.length }));
  return Object.fromEntries(Object.entries(runs).map(([name, list]) => [name, without(list)]));
}

/** Rust numbers characters in an order that changes from run to run. */
async function agreeOnPieces(runs, corpus, vocabSize) {
  const [mine, theirs, again] = [runs.ours, runs.Rust, runs['Rust, 2 threads']].map(([run]) => run.pieces);
  const specialTokens = theirs.slice(0, initialCount(theirs));
  const inTheirOrder = await trainWordPiece([readFileSync(corpus, 'utf8')], { vocabSize, specialTokens });
  return compareLists({
    'ours and Rust': [mine, theirs],
    'Rust and Rust once more': [theirs, again],
    'ours, given the order of Rust’s characters, and Rust': [inTheirOrder, theirs],
  });
}

function agreeOnMerges({ ours: [mine], Rust: [theirs] }) {
  return compareLists({
    'tokens of ours and Rust': [mine.pieces, theirs.pieces],
    'merges of ours and Rust': [mine.merges, theirs.merges],
  });
}

/** How much of one list is in another. */
function compareLists(pairs) {
  const share = (some, others) => {
    const known = new Set(others);
    return some.filter((piece) => known.has(piece)).length / some.length;
  };
  const shares = Object.entries(pairs).map(([name, [a, b]]) => ({
    name,
    firstInSecond: share(a, b),
    secondInFirst: share(b, a),
    isSame: a.join('\n') === b.join('\n'),
  }));
  const percent = (number) => `${(100 * number).toFixed(2)} %`;
  printTable(
    ['agreement', 'first in second', 'second in first', 'all in the same order'],
    shares.map(({ name, firstInSecond, secondInFirst, isSame }) => [
      name,
      percent(firstInSecond),
      percent(secondInFirst),
      isSame ? 'yes' : 'no',
    ]),
  );
  return shares;
}

/** Special tokens and characters, which come before the first merge. */
function initialCount(pieces) {
  const isMerge = (piece) => !/^\[.*\]$/.test(piece) && Array.from(piece.replace(/^##/, '')).length > 1;
  return pieces.findIndex(isMerge);
}

function streamAll() {
  const lines = samples['Moby-Dick by lines'];
  const masked = lines.map((line) => {
    const words = line.split(' ');
    return words.with(Math.floor(words.length / 2), '[MASK]').join(' ');
  });
  const tasks = [
    ['text-classification', 'classification', lines],
    ['fill-mask', 'masked-lm', masked],
  ];
  const measured = {};
  for (const [task, name, texts] of tasks) {
    console.error(`streaming through ${task}`);
    const model = `test/fixtures/pipelines/models/${name}`;
    const file = writeJson(`${folder}/texts.json`, texts);
    const args = ['bench/text-memory.mjs', '--task', task, '--model', model, '--texts', file];
    measured[task] = {
      resident: measure(process.execPath, args),
      'heap in use': measure(process.execPath, ['--expose-gc', ...args]),
    };
  }
  for (const [task, kinds] of Object.entries(measured)) {
    const { stops, per_second } = kinds.resident;
    printTable(
      [`${task}, ${per_second.toFixed(0)} texts/s`, ...stops.map((stop) => `MiB after ${stop}`)],
      Object.entries(kinds).map(([kind, { mebibytes }]) => [
        kind,
        ...mebibytes.map((size) => size.toFixed(0)),
      ]),
    );
  }
  return measured;
}
