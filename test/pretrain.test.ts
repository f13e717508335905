/** Whole pretraining runs of the built package, on real text. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import type { PretrainOptions } from '../src/index.js';

import type { FilledMask } from '../src/pipelines/fill-mask.js';
import type { PredictionsEvent } from '../src/train/events.js';
import { difference, readJson, readTensors } from './support/fixture.js';
import { built } from './support/package.js';
import { temporaryFolder, writeChapters } from './support/workspace.js';

const folder = temporaryFolder();
const corpus = path.join(folder, 'corpus');
const tokenizer = path.join(folder, 'tokenizer');

beforeAll(async () => {
  writeChapters(corpus, 12);
  const vocab = await built.trainWordPiece(built.readTexts({ input: [corpus] }), { vocabSize: 500 });
  await built.writeTokenizer(tokenizer, built.createTokenizer({ vocab, lowercase: true }));
});

const output = (name: string) => path.join(folder, name);

function options(name: string, more: Partial<PretrainOptions> = {}): PretrainOptions {
  return {
    corpus,
    tokenizer,
    output: output(name),
    sequenceLength: 32,
    microBatchSize: 4,
    trainIterations: 20,
    learningRate: 1e-3,
    warmupFraction: 0.5,
    evaluationSequences: 16,
    ...more,
    config: {
      vocab_size: 512,
      hidden_size: 32,
      num_hidden_layers: 2,
      num_attention_heads: 4,
      intermediate_size: 64,
      ...more.config,
    },
  };
}

interface LogLine {
  readonly kind: string;
  readonly loss: number;
  readonly gradient_norm: number;
  readonly skipped?: true;
  readonly sentences: PredictionsEvent['sentences'];
}

const readLog = (name: string) =>
  readFileSync(path.join(output(name), 'log.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as LogLine);

/** Text and predictions, but for how likely they are. */
const wordsOf = ({ sentences }: LogLine) =>
  sentences.map((parts) =>
    parts.map((part) => (typeof part === 'string' ? part : [part.word, part.predicted])),
  );

describe('the split computes what the whole computes', () => {
  test('20 steps, dropout on, two micro-batches each, on 1, 2 and 4 ranks', async () => {
    const run = async (ranks: number) => {
      const name = `ranks-${ranks}`;
      const summary = await built.pretrain(
        options(name, { tensorModelParallelSize: ranks, globalBatchSize: 8 }),
      );
      return {
        summary,
        log: readLog(name),
        weights: await readTensors(path.join(output(name), 'model.safetensors')),
      };
    };
    const whole = await run(1);
    for (const ranks of [2, 4]) {
      const split = await run(ranks);
      expect(split.summary.ranks).toBe(ranks);
      expect(split.log.length).toBe(whole.log.length);
      for (const [i, line] of split.log.entries())
        if (line.kind === 'predictions') expect(wordsOf(line)).toEqual(wordsOf(whole.log[i]!));
        else expect(line.loss / whole.log[i]!.loss, `loss ${i} on ${ranks} ranks`).toBeCloseTo(1, 5);
      expect([...split.weights.keys()]).toEqual([...whole.weights.keys()]);
      for (const [name, { shape, data }] of split.weights) {
        const expected = whole.weights.get(name)!;
        expect(shape).toEqual(expected.shape);
        expect(difference(data, expected.data), `${name} on ${ranks} ranks`).toBeLessThan(1e-4);
      }
    }
  });
});

describe('what a run leaves', () => {
  const name = 'run';
  beforeAll(async () => {
    await built.pretrain(options(name, { tensorModelParallelSize: 2, config: { hidden_dropout_prob: 0 } }));
  });

  test('a model folder, a log and a loss curve', () => {
    expect(readdirSync(output(name)).sort()).toEqual([
      'README.md',
      'checkpoints',
      'config.json',
      'data',
      'log.jsonl',
      'loss.svg',
      'model.safetensors',
      'run.json',
      'summary.json',
      'tensorboard',
      'tokenizer.json',
      'tokenizer_config.json',
      'vocab.txt',
    ]);
    expect(readFileSync(path.join(output(name), 'loss.svg'), 'utf8')).toMatch(/^<svg .*<\/svg>\n$/s);
    const steps = readLog(name).filter(({ kind }) => kind === 'step');
    expect(steps.length).toBe(20);
    for (const { gradient_norm } of steps) expect(gradient_norm).toBeGreaterThan(0);
  });

  test('a summary that the log bears out', () => {
    const summary = readJson(path.join(output(name), 'summary.json')) as Record<string, number>;
    const evaluations = readLog(name).filter(({ kind }) => kind === 'evaluation');
    expect(summary.initial_loss).toBe(evaluations[0]!.loss);
    expect(summary.heldout_loss).toBe(evaluations.at(-1)!.loss);
    expect(Math.abs(summary.initial_loss! - Math.log(512))).toBeLessThan(0.3);
    expect(summary.heldout_loss!).toBeLessThan(summary.initial_loss!);
    expect(summary).toMatchObject({ ranks: 2, iterations: 20, vocab_size: 512 });
  });

  test('a model that fills masks', async () => {
    const fill = await built.pipeline('fill-mask', output(name));
    const words = (await fill('Call me [MASK].', { top_k: 3 })) as FilledMask[];
    expect(words.length).toBe(3);
    const scores = words.map(({ score }) => score);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    for (const { token_str, sequence } of words) expect(sequence).toContain(token_str.replace('##', ''));
    const both = (await fill('[MASK] me [MASK].')) as FilledMask[][];
    expect(both.map((list) => list.length)).toEqual([5, 5]);
    // the model has 512 rows, the tokenizer 500 words: padding is never suggested
    const all = (await fill('Call me [MASK].', { top_k: 600 })) as FilledMask[];
    expect(all.map(({ token }) => token).sort((a, b) => a - b)).toEqual([...Array(500).keys()]);
    await expect(fill('Call me Ishmael.')).rejects.toThrow('no [MASK] in "Call me Ishmael."');
    await fill.dispose();
  });

  test('the same run again gives the same bytes', async () => {
    await built.pretrain(
      options('again', { tensorModelParallelSize: 2, config: { hidden_dropout_prob: 0 } }),
    );
    const bytes = (of: string) => readFileSync(path.join(output(of), 'model.safetensors'));
    expect(bytes('again').equals(bytes(name))).toBe(true);
  });
});

test('batches without a finite gradient are skipped, and too many in a row end the run of all ranks', async () => {
  const skipped: number[] = [];
  const run = built.pretrain(
    options('diverged', {
      tensorModelParallelSize: 2,
      learningRate: 1e30,
      clipGradient: 0,
      mostSkipped: 2,
      onEvent: (event) => {
        if (event.kind === 'step' && event.skipped) skipped.push(event.iteration);
      },
    }),
  );
  await expect(run).rejects.toThrow(
    /^rank \d: 3 batches in a row were skipped, at last in iteration \d+, where the gradient's norm is NaN/,
  );
  expect(skipped).toHaveLength(3);
  expect(existsSync(path.join(output('diverged'), 'model.safetensors'))).toBe(false);
  expect(existsSync(path.join(output('diverged'), 'config.json'))).toBe(false);
});

test('a batch whose loss is a spike is skipped, and updates nothing', async () => {
  const run = async (name: string, lossSpikeFactor: number) => {
    await built.pretrain(
      options(name, {
        lossSpikeFactor,
        tensorModelParallelSize: 2,
        trainIterations: 12,
        saveInterval: 1,
        keepLast: 12,
      }),
    );
    return readLog(name).filter(({ kind }) => kind === 'step');
  };
  // every loss above the mean of those before
  const steps = await run('spikes', 1);
  const updates: number[] = [];
  for (const { loss, skipped } of steps) {
    const isSpike = loss > updates.reduce((sum, x) => sum + x, 0) / updates.length;
    expect(skipped ?? false).toBe(isSpike);
    if (!isSpike) updates.push(loss);
  }
  expect(updates.length).toBeGreaterThan(2);
  expect(updates.length).toBeLessThan(12);

  for (const [i, { skipped }] of steps.entries()) {
    if (i === 0) continue;
    const [before, after] = [i, i + 1].map((iteration) =>
      ['model', 'optimizer'].map((part) =>
        readFileSync(
          path.join(
            output('spikes'),
            `checkpoints/iter_${String(iteration).padStart(7, '0')}/mp_rank_00/${part}.safetensors`,
          ),
          'base64',
        ),
      ),
    );
    expect(isDeepStrictEqual(before, after)).toBe(skipped ?? false);
  }
  await expect(run('only-spikes', 1e-9)).rejects.toThrow(/11 batches in a row were skipped/);
});

test('a run can be stopped', async () => {
  const controller = new AbortController();
  const run = built.pretrain(
    options('stopped', {
      tensorModelParallelSize: 2,
      trainIterations: 100_000,
      signal: controller.signal,
      onEvent: (event) => {
        if (event.kind === 'step') controller.abort(new Error('enough'));
      },
    }),
  );
  await expect(run).rejects.toThrow('enough');
});
