import { Option, type Command } from 'commander';
import { documentsByChoices, type PreprocessOptions } from '../data/preprocess/options.js';
import { preprocess, type PreprocessSummary } from '../data/preprocess/preprocess.js';
import { command, positiveInteger } from './options.js';
import { createProgress } from './progress.js';
import { byteSize, printable } from './text.js';

interface Options extends Omit<PreprocessOptions, 'input' | 'onProgress'> {
  readonly json?: true;
}

export function preprocessCommand(): Command {
  return command('preprocess', "Make Megatron-LM's memory-mapped data sets (.bin and .idx) of texts.", [
    'preprocess corpus.jsonl --tokenizer my-tokenizer --output-prefix data/corpus --split-sentences',
    'preprocess news/ --tokenizer my-tokenizer --output-prefix data/news --json-keys title body --workers 8',
    'preprocess novel.txt --tokenizer my-tokenizer --output-prefix data/novel --split-sentences --language de',
    'preprocess dump.jsonl.gz train.parquet --tokenizer my-tokenizer --output-prefix data/all --append-eod',
  ])
    .argument(
      '<input...>',
      'JSON lines (.jsonl, .json), plain text (.txt), both also compressed (.gz, .zst), parquet, or folders of them',
    )
    .requiredOption('--tokenizer <model>', 'a folder with a tokenizer, or the name of a model on the hub')
    .requiredOption(
      '--output-prefix <prefix>',
      'writes PREFIX_KEY_sentence.bin and .idx, or PREFIX_KEY_document without --split-sentences',
    )
    .option('--json-keys <keys...>', 'fields or columns that are made data sets of', ['text'])
    .option('--split-sentences', 'make a sequence of each sentence, as BERT is trained on')
    .option('--language <code>', 'whose sentences are split', 'en')
    .addOption(
      new Option('--documents-by <what>', 'is a document of plain text')
        .choices(documentsByChoices)
        .default('file'),
    )
    .option(
      '--longest-sequence <n>',
      'tokens of a sequence; longer sentences and documents become several',
      positiveInteger,
    )
    .option('--append-eod', 'end each document with <|endoftext|>, [EOS] or else [SEP]')
    .addOption(
      new Option(
        '--dtype <type>',
        'of token ids (default: uint16 for vocabularies of less than 65500)',
      ).choices(['uint16', 'int32']),
    )
    .option('--workers <n>', 'threads that tokenize (default: one for each processor)', positiveInteger)
    .option('--json', 'print the summary as JSON')
    .addHelpText(
      'after',
      '\nA run that was interrupted goes on when the same command is given again; what it has done is in PREFIX.incomplete.',
    )
    .action(async (input: readonly string[], { json, ...options }: Options) => {
      const progress = createProgress('preprocessing', 'MB');
      const summary = await preprocess({
        ...options,
        input,
        onProgress({ done, total }) {
          progress.update(Math.round(done / 1e6), Math.round(total / 1e6));
        },
      }).finally(() => {
        progress.stop();
      });
      console.log(json ? JSON.stringify(summary) : printable(describe(summary)));
    });
}

function describe({ datasets, bytes, seconds, resumed }: PreprocessSummary): string {
  const number = (value: number) => value.toLocaleString('en');
  return [
    ...datasets.map(
      ({ prefix, documents, sequences, tokens, dtype }) =>
        `${prefix}: ${number(documents)} documents, ${number(sequences)} sequences, ${number(tokens)} tokens (${dtype})`,
    ),
    `${byteSize(bytes)} in ${seconds.toFixed(1)} s${resumed ? ', going on with an interrupted run' : ''}`,
  ].join('\n');
}
