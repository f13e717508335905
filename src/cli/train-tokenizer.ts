import type { Command } from 'commander';
import { streamTexts } from '../data/corpus.js';
import { specialToken } from '../text/added-tokens.js';
import { bertNormalizer } from '../text/bert-words.js';
import { writeTokenizer } from '../text/tokenizer-files.js';
import { createTokenizer } from '../text/tokenizer.js';
import { bertSpecialTokens, trainWordPiece } from '../text/wordpiece-trainer.js';
import { command, positiveInteger } from './options.js';
import { createProgress } from './progress.js';

interface Options {
  readonly vocabSize: number;
  readonly minFrequency: number;
  readonly cased?: true;
  readonly stripAccents?: boolean;
  readonly specialTokens: readonly string[];
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
      'train-tokenizer notes.jsonl --special-tokens "[E1]" "[E2]" --output my-tokenizer',
    ],
  )
    .argument('<corpus>', 'a text file, a JSON-lines file with a "text" field, or a folder of them')
    .requiredOption('--output <folder>', 'where to write the tokenizer')
    .option('--vocab-size <n>', 'size of the vocabulary', positiveInteger, 30522)
    .option('--min-frequency <n>', 'how often a pair must occur to be merged', positiveInteger, 2)
    .option('--cased', 'keep upper case and accents')
    .option('--strip-accents', 'leave accents out, also with --cased')
    .option('--no-strip-accents', 'keep accents, also without --cased')
    .option('--special-tokens <tokens...>', "tokens that texts have besides BERT's, such as [E1]", [])
    .option('--json', 'print the result as JSON')
    .action(async (corpus: string, options: Options) => {
      const { vocabSize, minFrequency, stripAccents } = options;
      const lowercase = !options.cased;
      const specialTokens = [...new Set([...bertSpecialTokens, ...options.specialTokens])];
      const reading = createProgress('reading', 'MB');
      const merging = createProgress('merging', 'pieces');
      const texts = streamTexts(corpus, (done, total) => {
        reading.update(Math.round(done / 1e6), Math.round(total / 1e6));
        if (done === total) reading.stop();
      });
      const vocab = await trainWordPiece(texts, {
        vocabSize,
        minFrequency,
        lowercase,
        specialTokens,
        ...(stripAccents !== undefined && { stripAccents }),
        onProgress: (done, total) => {
          merging.update(done, total);
        },
      }).finally(() => {
        reading.stop();
        merging.stop();
      });
      const tokenizer = createTokenizer({
        vocab,
        normalizer: bertNormalizer(lowercase, stripAccents ?? null),
        added_tokens: specialTokens.map((content, id) => specialToken(id, content)),
      });
      await writeTokenizer(options.output, tokenizer);
      console.log(
        options.json
          ? JSON.stringify({ output: options.output, vocab_size: vocab.length })
          : `${vocab.length} word pieces in ${options.output}`,
      );
    });
}
