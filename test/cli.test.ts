/** The command line as a user meets it: what it prints, and how it refuses bad input. */
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { readAnyTokenizer, readTokenizer } from '../src/text/tokenizer-files.js';
import { megatronBert, temporaryFolder, writeChapters } from './support/workspace.js';

const folder = temporaryFolder();
const at = (name: string) => path.join(folder, name);
const write = (name: string, content: string | Uint8Array) => {
  writeFileSync(at(name), content);
  return at(name);
};

beforeAll(async () => {
  writeChapters(at('corpus'), 6);
  const { code } = await megatronBert(
    'train-tokenizer',
    at('corpus'),
    '--vocab-size',
    '400',
    '--output',
    at('tokenizer'),
  );
  expect(code).toBe(0);
});

const sizes =
  '--num-layers 1 --hidden-size 16 --num-attention-heads 2 --sequence-length 16 --micro-batch-size 4 --train-iterations 3 --evaluation-sequences 4';
const pretrain = (corpus: string, output: string, ...more: string[]) =>
  megatronBert(
    'pretrain',
    corpus,
    '--tokenizer',
    at('tokenizer'),
    '--output',
    at(output),
    ...sizes.split(' '),
    ...more,
  );

const trainBpe = (...more: string[]) =>
  megatronBert('train-tokenizer', at('corpus'), '--type', 'bpe', '--output', at('bpe2'), ...more);

describe('the way through', () => {
  test('train-tokenizer, pretrain, run fill-mask, each with one JSON document on stdout', async () => {
    const trained = await megatronBert(
      'train-tokenizer',
      at('corpus'),
      '--vocab-size',
      '300',
      '--output',
      at('second'),
      '--json',
    );
    expect(JSON.parse(trained.stdout)).toEqual({ output: at('second'), vocab_size: 300 });

    const pretrained = await pretrain(at('corpus'), 'model', '--tensor-model-parallel-size', '2', '--json');
    expect(pretrained.code).toBe(0);
    expect(JSON.parse(pretrained.stdout)).toMatchObject({ ranks: 2, iterations: 3 });

    const filled = await megatronBert(
      'run',
      'fill-mask',
      '--model',
      at('model'),
      '--top-k',
      '2',
      '--json',
      'Call me [MASK].',
    );
    expect(JSON.parse(filled.stdout)).toHaveLength(2);
    // not a word about the pooler and the other head, which the file has too
    expect(filled.stderr).toBe('');
    const read = await megatronBert(
      'run',
      'fill-mask',
      '--model',
      at('model'),
      'Call me [MASK].',
      'The [MASK] sea.',
    );
    expect(read.stdout).toMatch(/^Call me \[MASK\]\.\n( {2}\S+ +\d+\.\d %\n){5}The \[MASK\] sea\./);
  });

  test('a tokenizer with its own special tokens, case and accents', async () => {
    const texts = at('notes.jsonl');
    writeFileSync(
      texts,
      [{ text: 'Café [E1] café' }, { text: 'Käse' }].map((line) => JSON.stringify(line)).join('\n'),
    );
    const args = ['--vocab-size', '60', '--min-frequency', '1', '--special-tokens', '[E1]', '--output'];
    const trained = await megatronBert(
      'train-tokenizer',
      texts,
      '--no-strip-accents',
      ...args,
      at('accents'),
    );
    expect(trained.code).toBe(0);
    const tokenizer = await readTokenizer(at('accents'));
    expect(tokenizer.vocab.slice(0, 6)).toEqual(['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', '[E1]']);
    expect(tokenizer.vocab).toContain('café');
    const ids = tokenizer.tokenize('Café [E1] KÄSE');
    expect(tokenizer.decode(ids)).toBe('café [E1] käse');
    expect(tokenizer.decode(ids, { skip_special_tokens: true })).toBe('café käse');

    await megatronBert('train-tokenizer', texts, '--cased', '--strip-accents', ...args, at('cased'));
    const cased = await readTokenizer(at('cased'));
    expect(cased.decode(cased.tokenize('Café'))).toBe('Cafe');
  });

  test("a tokenizer as GPT-2's, of a compressed text, with its own special tokens", async () => {
    const chapter = gzipSync(readFileSync(at('corpus/chapter_1.txt')));
    const args = '--type bpe --vocab-size 400 --add-prefix-space --special-tokens [E1] --json'.split(' ');
    const input = write('chapter.txt.gz', chapter);
    const { stdout } = await megatronBert('train-tokenizer', input, '--output', at('bpe'), ...args);
    expect(JSON.parse(stdout)).toEqual({ output: at('bpe'), vocab_size: 400 });
    const tokenizer = await readAnyTokenizer(at('bpe'));
    expect({ ...tokenizer }).toMatchObject({ type: 'BPE', add_prefix_space: true, model_max_length: 1024 });
    expect(tokenizer.vocab.slice(0, 3)).toEqual(['<|endoftext|>', '[E1]', '!']);
    const ids = tokenizer.tokenize('Call me[E1] Ishmael.<|endoftext|>');
    expect(tokenizer.decode(ids)).toBe(' Call me[E1] Ishmael.<|endoftext|>');
    expect(tokenizer.decode(ids, { skip_special_tokens: true })).toBe(' Call me Ishmael.');
  });

  test.each([
    [['--help']],
    [['pretrain', '--help']],
    [['train-tokenizer', '--help']],
    [['run', 'fill-mask', '--help']],
  ])('%j says how, with examples', async (args) => {
    const { code, stdout } = await megatronBert(...args);
    expect(code).toBe(0);
    expect(stdout).toContain('Usage: megatron-bert');
    if (args.length > 1) expect(stdout).toContain('$ megatron-bert ');
  });
});

describe('bad input: one line that says what is wrong, exit code 2, nothing written', () => {
  const cases: Record<string, { run: () => ReturnType<typeof megatronBert>; says: RegExp; output?: string }> =
    {
      'a corpus that is not there': {
        run: () => pretrain(at('nowhere'), 'o1'),
        says: /the corpus .*nowhere does not exist/,
        output: 'o1',
      },
      'an empty corpus': {
        run: () => pretrain(write('empty.txt', ' \n'), 'o2'),
        says: /empty\.txt: expected text, found none that makes tokens/,
        output: 'o2',
      },
      'a binary corpus': {
        run: () => pretrain(write('binary.txt', Uint8Array.of(72, 0, 255)), 'o3'),
        says: /binary\.txt, line 1: expected text in UTF-8, found other bytes/,
        output: 'o3',
      },
      'a tokenizer of an empty corpus': {
        run: () => megatronBert('train-tokenizer', write('empty.txt', ''), '--output', at('o4')),
        says: /empty\.txt: expected text, found none/,
        output: 'o4',
      },
      'an option of WordPiece for BPE': {
        run: () => trainBpe('--no-strip-accents'),
        says: /--no-strip-accents: expected --type wordpiece, found bpe/,
        output: 'bpe2',
      },
      'upper case for BPE': {
        run: () => trainBpe('--cased'),
        says: /--cased: expected --type wordpiece, found bpe/,
        output: 'bpe2',
      },
      'an option of BPE for WordPiece': {
        run: () => megatronBert('train-tokenizer', at('corpus'), '--output', at('o12'), '--add-prefix-space'),
        says: /--add-prefix-space: expected --type bpe, found wordpiece/,
        output: 'o12',
      },
      'a vocabulary without room for bytes': {
        run: () => trainBpe('--vocab-size', '256'),
        says: /vocabulary size: expected at least 257, for special tokens and bytes, found 256/,
        output: 'bpe2',
      },
      'a tokenizer that is not there': {
        run: () => pretrain(at('corpus'), 'o5', '--tokenizer', at('nowhere')),
        says: /nowhere: neither a folder nor the name of a model/,
        output: 'o5',
      },
      'documents of one word each': {
        run: () => pretrain(write('words.jsonl', '{"text": "a"}\n'.repeat(4000)), 'o11'),
        says: /expected documents of two or more sentences, .*; of 3796 documents 3796 have one sentence/,
        output: 'o11',
      },
      'a vocabulary with duplicates': {
        run: () => {
          mkdirSync(at('twice'), { recursive: true });
          write('twice/vocab.txt', '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nsea\nsea\n');
          return pretrain(at('corpus'), 'o6', '--tokenizer', at('twice'));
        },
        says: /vocab\.txt: "sea" stands on lines 6 and 7/,
        output: 'o6',
      },
      'a hidden size that heads cannot share': {
        run: () => pretrain(at('corpus'), 'o7', '--num-attention-heads', '3'),
        says: /hidden_size \(16\) is not divisible by num_attention_heads \(3\)/,
        output: 'o7',
      },
      'heads that ranks cannot share': {
        run: () => pretrain(at('corpus'), 'o8', '--tensor-model-parallel-size', '4'),
        says: /num_attention_heads \(2\) is not divisible by the tensor-parallel size \(4\)/,
        output: 'o8',
      },
      'an output folder below a file': {
        run: () => pretrain(at('corpus'), path.join('tokenizer', 'vocab.txt', 'model')),
        says: /cannot write to the output folder .*vocab\.txt/,
      },
      'an output folder with something in it': {
        run: () => pretrain(at('corpus'), 'corpus'),
        says: /the output folder .*corpus is not empty/,
      },
      'a number that is none': {
        run: () => pretrain(at('corpus'), 'o9', '--train-iterations', 'many'),
        says: /--train-iterations.* expected a positive integer/,
        output: 'o9',
      },
      'an option that does not exist': {
        run: () => pretrain(at('corpus'), 'o10', '--tensor-parallel', '2'),
        says: /unknown option '--tensor-parallel'/,
        output: 'o10',
      },
      'a model that is not there': {
        run: () => megatronBert('run', 'fill-mask', '--model', at('corpus'), 'Call me [MASK].'),
        says: /not a model folder: there is no .*corpus.config.json/,
      },
    };

  test.each(Object.entries(cases))('%s', async (_, { run, says, output }) => {
    const before = readdirSync(at('corpus'));
    const { code, stdout, stderr } = await run();
    expect(stderr.trim()).toMatch(says);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    if (output) expect(existsSync(at(output))).toBe(false);
    expect(readdirSync(at('corpus'))).toEqual(before);
  });

  test.skipIf(process.getuid?.() === 0)(
    'an output folder without permission (skipped for root, who may write anywhere)',
    async () => {
      mkdirSync(at('locked'));
      chmodSync(at('locked'), 0o500);
      const { code, stderr } = await pretrain(at('corpus'), path.join('locked', 'model'));
      expect(stderr).toMatch(/cannot write to the output folder/);
      expect(code).toBe(2);
    },
  );
});
