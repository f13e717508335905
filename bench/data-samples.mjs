// Ours in the benchmark of samples: the peer's task (bench/peers/data_samples.py). Prints a line of JSON.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { openSequences } from '../dist/data/indexed/sequences.js';
import { prepareSamples } from '../dist/data/pretraining/prepare.js';
import { openBertSamples, openGptSamples } from '../dist/data/pretraining/samples.js';
import { readTokenizer } from '../dist/text/tokenizer-files.js';

const { values: flags } = parseArgs({
  options: {
    prefix: { type: 'string' },
    tokenizer: { type: 'string' },
    kind: { type: 'string' },
    'sequence-length': { type: 'string' },
    count: { type: 'string' },
  },
});
const sequenceLength = Number(flags['sequence-length']);
const count = Number(flags.count);
const { vocabSize, tokens, isContinuation } = await readTokenizer(flags.tokenizer);
const sequences = await openSequences(flags.prefix);
const part = { sequences, index: '', range: { first: 0, end: sequences.count }, weight: 1 };
const kind =
  flags.kind === 'bert'
    ? { kind: 'bert', longest: sequenceLength - 3, shortSequenceProbability: 0.1, seed: 1 }
    : { kind: 'gpt', sequenceLength, seed: 1 };
const folder = mkdtempSync(path.join(tmpdir(), 'samples-'));
const started = performance.now();
const prepared = await prepareSamples([part], { kind, count, folder });
const prepare_seconds = (performance.now() - started) / 1000;
const samples =
  flags.kind === 'bert'
    ? await openBertSamples(prepared, {
        ...{ sequenceLength, seed: 1, maskProbability: 0.15, vocabSize, tokens },
        isContinuation: Uint8Array.from({ length: vocabSize }, (_, id) => Number(isContinuation(id))),
      })
    : await openGptSamples(prepared, { sequenceLength, vocabSize });
const read = performance.now();
let sum = 0;
for (let i = 0; i < count; i++) sum += samples.batch(i, 1).input_ids.reduce((total, id) => total + id, 0);
const seconds = (performance.now() - read) / 1000;
samples.close();
sequences.close();
rmSync(folder, { recursive: true });
const peak_mebibytes = process.resourceUsage().maxRSS / 1024;
console.log(JSON.stringify({ prepare_seconds, seconds, sum, peak_mebibytes }));
