// Ours in the text benchmark: the peer's tasks (bench/peers/text.py). Prints a line of JSON.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { readAnyTokenizer, trainByteLevelBpe, trainWordPiece } from '../dist/index.js';
import { readTexts } from '../dist/data/preprocess/texts.js';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tokenizer: { type: 'string' },
    texts: { type: 'string' },
    method: { type: 'string' },
    passes: { type: 'string' },
    type: { type: 'string' },
    corpus: { type: 'string' },
    'vocab-size': { type: 'string' },
    output: { type: 'string' },
  },
});

const methods = {
  call: (tokenizer, texts) => tokenizer(texts).input_ids,
  encode: (tokenizer, texts) => texts.map((text) => tokenizer.encode(text)).map((one) => one.input_ids),
};
const trainers = {
  wordpiece: async (...given) => ({ pieces: await trainWordPiece(...given) }),
  async bpe(...given) {
    const { vocab, merges } = await trainByteLevelBpe(...given);
    return { pieces: vocab, merges: merges.map((pair) => pair.join(' ')) };
  },
};
const tasks = { encode, train };
const result = await tasks[positionals[0]]();
console.log(JSON.stringify({ peak_mebibytes: process.resourceUsage().maxRSS / 1024, ...result }));

/** Seconds, the processor's seconds for each of them, and what came out. */
async function timed(work) {
  const start = performance.now();
  const busy = process.cpuUsage();
  const result = await work();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(busy);
  return { seconds, cores: (user + system) / 1e6 / seconds, result };
}

async function encode() {
  const texts = JSON.parse(readFileSync(flags.texts, 'utf8'));
  const run = methods[flags.method];
  const tokenizer = await readAnyTokenizer(flags.tokenizer);
  const first = await timed(() => run(tokenizer, texts));
  const ids = Uint32Array.from(first.result.flat());
  const passes = [];
  for (let i = 0; i < Number(flags.passes); i++) passes.push(await timed(() => run(tokenizer, texts)));
  const fresh = await readAnyTokenizer(flags.tokenizer);
  const forgotten = await timed(() => run(fresh, texts));
  return {
    first: first.seconds,
    forgotten: forgotten.seconds,
    steady: passes.map(({ seconds }) => seconds),
    cores: passes.map(({ cores }) => cores),
    ids: createHash('sha256').update(ids).digest('hex'),
  };
}

async function train() {
  const texts = readTexts({ input: [flags.corpus] });
  const { seconds, cores, result } = await timed(() =>
    trainers[flags.type](texts, { vocabSize: Number(flags['vocab-size']) }),
  );
  writeFileSync(flags.output, JSON.stringify(result));
  return { seconds, cores };
}
