import type { Command } from 'commander';
import { readDocuments } from '../data/corpus.js';
import { createTokenizer, writeTokenizer } from '../text/tokenizer.js';
import { trainWordPiece } from '../text/wordpiece-trainer.js';
import { command, positiveInteger } from './options.js';
import { createProgress } from './progress.js';

interface Options {
  readonly vocabSize: number;
  readonly minFrequency: number;
  readonly cased?: true;
  readonly output: string;
  readonly json?: true;
}

export function trainTokenizerCommand(): Command {
  return command(
    'train-tokenizer',
    'Train a WordPiece vocabulary on text and write vocab.txt and tokenizer.json.',
    [
      'train-tokenizer corpus/ --vocab-size 8192 --output my-tokenizer',
      'train-tokenizer corpus.txt --cased --output my-tokenizer',
    ],
  )
    .argument('<corpus>', 'a text file, a JSON-lines file with a "text" field, or a folder of them')
    .requiredOption('--output <folder>', 'where to write the tokenizer')
    .option('--vocab-size <n>', 'size of the vocabulary', positiveInteger, 30522)
    .option('--min-frequency <n>', 'how often a pair must occur to be merged', positiveInteger, 2)
    .option('--cased', 'keep upper case and accents')
    .option('--json', 'print the result as JSON')
    .action(async (corpus: string, options: Options) => {
      const documents = await readDocuments(corpus);
      const progress = createProgress('merging');
      const lowercase = !options.cased;
      const vocab = trainWordPiece(documents, {
        vocabSize: options.vocabSize,
        minFrequency: options.minFrequency,
        lowercase,
        onProgress: (done, total) => {
          progress.update(done, total);
        },
      });
      progress.stop();
      await writeTokenizer(options.output, createTokenizer({ vocab, lowercase }));
      console.log(
        options.json
          ? JSON.stringify({ output: options.output, vocab_size: vocab.length })
          : `${vocab.length} word pieces in ${options.output}`,
      );
    });
}
