import { Option, type Command } from 'commander';
import { readTexts } from '../data/preprocess/texts.js';
import { InputError } from '../errors.js';
import { specialToken } from '../text/added-tokens.js';
import { bertNormalizer } from '../text/bert-words.js';
import { trainByteLevelBpe } from '../text/byte-level-bpe-trainer.js';
import { createGpt2Tokenizer, endOfText } from '../text/gpt2-tokenizer.js';
import { writeTokenizer } from '../text/tokenizer-files.js';
import type { AnyTokenizer } from '../text/tokenizer-json.js';
import { createTokenizer } from '../text/tokenizer.js';
import { bertSpecialTokens, trainWordPiece } from '../text/wordpiece-trainer.js';
import { command, positiveInteger } from './options.js';
import { createProgress } from './progress.js';

interface TrainingOptions {
  readonly vocabSize?: number;
  readonly minFrequency: number;
  readonly cased?: true;
  readonly stripAccents?: boolean;
  readonly addPrefixSpace?: true;
  readonly specialTokens: readonly string[];
}

interface Options extends TrainingOptions {
  readonly type: TokenizerType;
  readonly jsonKeys: readonly string[];
  readonly output: string;
  readonly json?: true;
}

type Train = (
  texts: AsyncIterable<string>,
  options: TrainingOptions,
  onProgress: (done: number, total: number) => void,
) => Promise<AnyTokenizer>;

const trainBertTokenizer: Train = async (texts, { cased, stripAccents, ...options }, onProgress) => {
  const lowercase = !cased;
  const specialTokens = [...new Set([...bertSpecialTokens, ...options.specialTokens])];
  const vocab = await trainWordPiece(texts, {
    vocabSize: options.vocabSize ?? 30522,
    minFrequency: options.minFrequency,
    lowercase,
    specialTokens,
    ...(stripAccents !== undefined && { stripAccents }),
    onProgress,
  });
  return createTokenizer({
    vocab,
    normalizer: bertNormalizer(lowercase, stripAccents ?? null),
    added_tokens: specialTokens.map((content, id) => specialToken(id, content)),
  });
};

const trainGpt2Tokenizer: Train = async (texts, options, onProgress) => {
  const addPrefixSpace = options.addPrefixSpace ?? false;
  const specialTokens = [...new Set([endOfText, ...options.specialTokens])];
  const trained = await trainByteLevelBpe(texts, {
    vocabSize: options.vocabSize ?? 50257,
    minFrequency: options.minFrequency,
    specialTokens,
    addPrefixSpace,
    onProgress,
  });
  return createGpt2Tokenizer({
    ...trained,
    add_prefix_space: addPrefixSpace,
    added_tokens: specialTokens.map((content, id) => specialToken(id, content)),
  });
};

/** Its model's longest text is what the first models of the type had. */
const types = {
  wordpiece: { train: trainBertTokenizer, modelMaxLength: 512, unit: 'word pieces' },
  bpe: { train: trainGpt2Tokenizer, modelMaxLength: 1024, unit: 'tokens' },
} satisfies Record<string, { train: Train; modelMaxLength: number; unit: string }>;
type TokenizerType = keyof typeof types;

export function trainTokenizerCommand(): Command {
  return command('train-tokenizer', "Train BERT's WordPiece or GPT-2's byte-level BPE on text.", [
    'train-tokenizer corpus/ --vocab-size 8192 --output my-tokenizer',
    'train-tokenizer corpus.txt --cased --output my-tokenizer',
    'train-tokenizer notes.jsonl.gz --special-tokens "[E1]" "[E2]" --output my-tokenizer',
    'train-tokenizer corpus/ --type bpe --output my-tokenizer',
  ])
    .argument(
      '<input...>',
      'JSON lines (.jsonl, .json), plain text (.txt), both also compressed (.gz, .zst), parquet, or folders of them',
    )
    .requiredOption('--output <folder>', 'where to write the tokenizer')
    .addOption(new Option('--type <type>', 'of tokenizer').choices(Object.keys(types)).default('wordpiece'))
    .option('--json-keys <keys...>', 'fields or columns that have text', ['text'])
    .option('--vocab-size <n>', 'size of the vocabulary (default: 30522, of bpe 50257)', positiveInteger)
    .option('--min-frequency <n>', 'how often a pair must occur to be merged', positiveInteger, 2)
    .option('--cased', 'keep upper case and accents (wordpiece)')
    .option('--strip-accents', 'leave accents out, also with --cased (wordpiece)')
    .option('--no-strip-accents', 'keep accents, also without --cased (wordpiece)')
    .option('--add-prefix-space', 'begin texts as if a space came before them (bpe)')
    .option(
      '--special-tokens <tokens...>',
      "tokens that texts have besides BERT's or GPT-2's, such as [E1]",
      [],
    )
    .option('--json', 'print the result as JSON')
    .action(async (input: readonly string[], { type, jsonKeys, output, json, ...options }: Options) => {
      const { train, modelMaxLength, unit } = types[type];
      requireOptionsOf(type, options);
      const reading = createProgress('reading', 'MB');
      const merging = createProgress('merging', unit);
      const onProgress = ({ done, total }: { readonly done: number; readonly total: number }) => {
        reading.update(Math.round(done / 1e6), Math.round(total / 1e6));
        if (done === total) reading.stop();
      };
      const tokenizer = await train(readTexts({ input, jsonKeys, onProgress }), options, (done, total) => {
        merging.update(done, total);
      }).finally(() => {
        reading.stop();
        merging.stop();
      });
      await writeTokenizer(output, tokenizer, { modelMaxLength });
      const { vocabSize } = tokenizer;
      console.log(
        json ? JSON.stringify({ output, vocab_size: vocabSize }) : `${vocabSize} ${unit} in ${output}`,
      );
    });
}

function requireOptionsOf(
  type: TokenizerType,
  { cased, stripAccents, addPrefixSpace }: TrainingOptions,
): void {
  const refuse = (flag: string, expected: TokenizerType) => {
    throw new InputError(`${flag}: expected --type ${expected}, found ${type}`);
  };
  if (type === 'wordpiece' && addPrefixSpace) refuse('--add-prefix-space', 'bpe');
  if (type === 'bpe' && cased) refuse('--cased', 'wordpiece');
  if (type === 'bpe' && stripAccents !== undefined)
    refuse(stripAccents ? '--strip-accents' : '--no-strip-accents', 'wordpiece');
}
