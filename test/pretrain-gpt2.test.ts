/** `pretrain --architecture gpt2`: whole runs on real text. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { PretrainOptions } from '../src/index.js';
import { difference, readJson, readTensors } from './support/fixture.js';
import { built } from './support/package.js';
import { megatronBert, temporaryFolder, writeChapters } from './support/workspace.js';

const folder = temporaryFolder();
const at = (...names: string[]) => path.join(folder, ...names);

beforeAll(async () => {
  writeChapters(at('corpus'), 6);
  for (const [output, ...more] of [['bpe', '--type', 'bpe'], ['wordpiece']] as const) {
    const args = ['train-tokenizer', at('corpus'), '--vocab-size', '400', '--output', at(output), ...more];
    const { code, stderr } = await megatronBert(...args);
    expect(code, stderr).toBe(0);
  }
});

const options = (name: string, more: Partial<PretrainOptions> = {}): PretrainOptions => ({
  architecture: 'gpt2',
  corpus: at('corpus'),
  tokenizer: at('bpe'),
  output: at(name),
  sequenceLength: 32,
  microBatchSize: 4,
  globalBatchSize: 8,
  trainIterations: 24,
  learningRate: 3e-3,
  evaluationSequences: 16,
  config: { n_embd: 32, n_layer: 2, n_head: 4 },
  ...more,
});

interface LogLine {
  readonly kind: string;
  readonly iteration: number;
  readonly loss: number;
}
const readLog = (name: string) =>
  readFileSync(at(name, 'log.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as LogLine);
const losses = (name: string) => readLog(name).map(({ kind, iteration, loss }) => [kind, iteration, loss]);
const bytes = (name: string) => readFileSync(at(name, 'model.safetensors'));

describe('a run', () => {
  beforeAll(async () => {
    await built.pretrain(options('whole'));
  });

  test('learns, and says so', () => {
    const summary = readJson(at('whole', 'summary.json')) as Record<string, number>;
    expect(Math.abs(summary.initial_loss! - Math.log(summary.vocab_size!))).toBeLessThan(0.3);
    expect(summary.heldout_loss!).toBeLessThan(summary.initial_loss! - 0.3);
    expect(readJson(at('whole', 'config.json'))).toMatchObject({
      model_type: 'gpt2',
      architectures: ['GPT2LMHeadModel'],
      n_embd: 32,
      n_positions: 32,
    });
  });

  test('is the same on 2 ranks, up to rounding', async () => {
    await built.pretrain(options('split', { tensorModelParallelSize: 2, makeVocabSizeDivisibleBy: 64 }));
    expect(losses('split')).toHaveLength(losses('whole').length);
    for (const [i, { loss }] of readLog('split').entries())
      expect(loss / readLog('whole')[i]!.loss).toBeCloseTo(1, 5);
    const [whole, split] = [
      await readTensors(at('whole', 'model.safetensors')),
      await readTensors(at('split', 'model.safetensors')),
    ];
    expect([...split.keys()]).toEqual([...whole.keys()]);
    for (const [name, { data }] of split)
      expect(difference(data, whole.get(name)!.data), name).toBeLessThan(1e-4);
  });

  test('stopped, goes on to the same bits', async () => {
    await expect(built.pretrain(options('resumed', { exitInterval: 10 }))).rejects.toThrow(
      'stopped after iteration 10',
    );
    await built.pretrain(options('resumed', { resume: true }));
    expect(bytes('resumed').equals(bytes('whole'))).toBe(true);
    expect(losses('resumed')).toEqual(losses('whole'));
  });

  test('leaves a model of which every weight is read, and that writes on', async () => {
    const model = await built.GPT2LMHeadModel.from_pretrained(at('whole'));
    expect(model.loading_info).toEqual({ missing_keys: [], unexpected_keys: [], mismatched_keys: [] });
    await model.dispose();
    const write = await built.pipeline('text-generation', at('whole'));
    const [{ generated_text }] = (await write('Call me', { max_new_tokens: 8, do_sample: false })) as [
      { generated_text: string },
    ];
    expect(generated_text).toMatch(/^Call me/);
    expect(generated_text.length).toBeGreaterThan('Call me'.length);
    await write.dispose();
  });
});

test('a data set of documents is trained on like the text that it was made of', async () => {
  const { code, stderr } = await megatronBert(
    ...['preprocess', at('corpus'), '--tokenizer', at('bpe'), '--output-prefix', at('set')],
    ...['--append-eod', '--longest-sequence', '256'],
  );
  expect(code, stderr).toBe(0);
  await built.pretrain(options('of-dataset', { corpus: at('set_text_document') }));
  await built.pretrain(options('of-text'));
  expect(bytes('of-dataset').equals(bytes('of-text'))).toBe(true);
});

test.each([
  ['gpt2', 'wordpiece', /expected a BPE tokenizer for the architecture gpt2, found WordPiece/],
  ['bert', 'bpe', /expected a WordPiece tokenizer for the architecture bert, found BPE/],
] as const)('%s with a %s tokenizer is refused', async (architecture, tokenizer, says) => {
  const args = ['pretrain', at('corpus'), '--architecture', architecture, '--tokenizer', at(tokenizer)];
  const { code, stderr } = await megatronBert(...args, '--output', at('refused'));
  expect(stderr).toMatch(says);
  expect(code).toBe(2);
  expect(existsSync(at('refused'))).toBe(false);
});
