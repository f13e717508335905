/** 100,000 samples of a generated data set have the documented probabilities: chi-square at a significance of 0.001. */
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openSequences } from '../src/data/indexed/sequences.js';
import type { BertBatch } from '../src/data/pretraining/bert-samples.js';
import { maskWords } from '../src/data/pretraining/masking.js';
import { randomState } from '../src/data/pretraining/random-state.js';
import { openBertSamples } from '../src/data/pretraining/samples.js';
import { openTable } from '../src/data/pretraining/table.js';
import { expectFrequencies } from './support/chi-square.js';
import { prepareOne, writeDataset } from './support/datasets.js';
import { temporaryFolder } from './support/workspace.js';

const folder = temporaryFolder();
const count = 100_000;
const tokens = { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4 };
const vocabSize = 500;
/** Pieces 5 to 399 begin a word, 400 to 499 go on with it. */
const isContinuation = Uint8Array.from({ length: vocabSize }, (_, id) => Number(id >= 400));
const [sequenceLength, seed, maskProbability, shortSequenceProbability] = [66, 1234, 0.15, 0.1];
const longest = sequenceLength - 3;
const options = { sequenceLength, seed, maskProbability, vocabSize, tokens, isContinuation };

/** Words of one piece to four. */
function words(random: ReturnType<typeof randomState>, most: number): number[] {
  const ids: number[] = [];
  for (let word = random.integer(1, most + 1); word > 0; word--) {
    ids.push(random.integer(5, 400));
    while (ids.length < 40 && random.random() < 0.3) ids.push(random.integer(400, vocabSize));
  }
  return ids;
}

interface Row {
  readonly lengths: Int32Array;
  readonly target: number;
}

/** What each sample is made of. */
let rows: Row[];
let batch: BertBatch;
beforeAll(async () => {
  const random = randomState(77);
  const documents = Array.from({ length: 2000 }, () =>
    Array.from({ length: random.integer(2, 20) }, () => words(random, 16)),
  );
  const prefix = await writeDataset(path.join(folder, 'data'), documents);
  const prepared = await prepareOne(prefix, {
    kind: { kind: 'bert', longest, shortSequenceProbability, seed },
    count,
    folder,
  });
  const sequences = await openSequences(prefix);
  const { samples, order } = prepared.datasets[0]!.tables;
  const [sampleTable, orderTable] = [openTable(samples, 3), openTable(order, 1)];
  rows = Array.from({ length: count }, (_, i) => {
    const [first = 0, end = 0, target = 0] = sampleTable.row(orderTable.row(i)[0]!);
    return { lengths: sequences.lengths(first, end), target };
  });
  const opened = await openBertSamples(prepared, options);
  batch = opened.batch(0, count);
  for (const file of [sequences, sampleTable, orderTable, opened]) file.close();
}, 120_000);

const sum = (numbers: Iterable<number>) => [...numbers].reduce((total, x) => total + x, 0);
const places = (sample: number) => [sample * sequenceLength, (sample + 1) * sequenceLength] as const;

test('targets are short with a probability of 0.1, and then of any length', () => {
  const counts = new Array<number>(longest + 1).fill(0);
  for (const { target } of rows) counts[target]!++;
  const short = shortSequenceProbability / (longest - 1);
  // 10, the ratio, and 62, the lengths, are even: lengths are drawn with the same number, and only each second occurs
  const probabilities = counts.map((_, target) => (target < 2 || target % 2 === 1 ? 0 : 2 * short));
  probabilities[longest]! += 1 - shortSequenceProbability;
  expectFrequencies(counts, probabilities);
});

test('half of the pairs are swapped', () => {
  const swapped = sum(batch.next_sentence_label);
  expectFrequencies([swapped, count - swapped], [0.5, 0.5]);
});

test('pairs are parted between any two sentences', () => {
  const counts = new Map<number, number[]>();
  for (const [i, { lengths, target }] of rows.entries()) {
    const length = sum(lengths);
    if (lengths.length < 3 || length > target) continue;
    const [start] = places(i);
    const second = sum(batch.token_type_ids.subarray(...places(i))) - 1;
    const first = batch.next_sentence_label[i] === 1 ? second : length - second;
    let boundary = 0;
    for (let tokensBefore = 0; tokensBefore < first; boundary++) tokensBefore += lengths[boundary]!;
    expect(batch.input_ids[start]).toBe(tokens.cls);
    const some = counts.get(lengths.length) ?? new Array<number>(lengths.length - 1).fill(0);
    some[boundary - 1]!++;
    counts.set(lengths.length, some);
  }
  const frequent = [...counts.values()].filter((some) => sum(some) > 1000);
  expect(frequent.length).toBeGreaterThan(2);
  for (const some of frequent)
    expectFrequencies(
      some,
      some.map(() => 1),
    );
});

describe('tokens to predict', () => {
  test('are as many as are wanted, but for one in a hundred', () => {
    let predicted = 0;
    let wanted = 0;
    for (const [i, { target, lengths }] of rows.entries()) {
      const labels = batch.labels.subarray(...places(i)).filter((label) => label !== -100).length;
      const length = Math.min(target, sum(lengths)) + 3;
      const most = Math.floor(
        Math.min(maskProbability * target, Math.max(1, Math.round(maskProbability * length))),
      );
      if (labels > most)
        expect.fail(`sample ${i} predicts ${labels} of ${length} tokens, at most ${most} are wanted`);
      predicted += labels;
      wanted += most;
    }
    expect(predicted / wanted).toBeGreaterThan(0.99);
  });

  test('are whole words', () => {
    let [whole, hidden] = [0, 0];
    for (let i = 0; i < count; i++) {
      const [start, end] = places(i);
      // a piece goes with the word before it, even over a [SEP]
      let isHidden: boolean | undefined;
      for (let at = start; at < end && batch.attention_mask[at] === 1; at++) {
        const label = batch.labels[at]!;
        const original = label === -100 ? batch.input_ids[at]! : label;
        if (original === tokens.cls || original === tokens.sep) continue;
        const goesOn = isContinuation[original] === 1 && isHidden !== undefined;
        if (goesOn && isHidden !== (label !== -100)) expect.fail(`sample ${i} hides a part of a word`);
        isHidden = label !== -100;
        if (!goesOn) whole++;
        if (!goesOn && isHidden) hidden++;
      }
    }
    expect(hidden / whole).toBeGreaterThan(0.13);
    expect(hidden / whole).toBeLessThan(0.17);
  });

  test('are 80 % [MASK], 10 % random and 10 % as they were', () => {
    let [masked, same, other] = [0, 0, 0];
    for (const [at, label] of batch.labels.entries()) {
      if (label === -100) continue;
      const id = batch.input_ids[at];
      if (id === tokens.mask) masked++;
      else if (id === label) same++;
      else other++;
    }
    // a random word may be [MASK], or the one that was there
    const each = 0.1 / vocabSize;
    expectFrequencies([masked, same, other], [0.8 + each, 0.1 + each, 0.1 - 2 * each]);
  });

  test('that are random are any of the vocabulary', () => {
    const counts = new Array<number>(vocabSize).fill(0);
    const labelled = new Array<number>(vocabSize).fill(0);
    let all = 0;
    for (const [at, label] of batch.labels.entries()) {
      if (label === -100) continue;
      all++;
      labelled[label]!++;
      const id = batch.input_ids[at]!;
      if (id !== tokens.mask && id !== label) counts[id]!++;
    }
    // a word in its own place is not seen to be random
    const expected = labelled.map((own, id) => (id === tokens.mask ? 0 : all - own));
    expectFrequencies(counts, expected);
  });
});

test('1, 2 or 3 words are hidden together, from any word on', () => {
  // single pieces, of which a third is hidden: nothing is in the first run's way but the end
  const length = 20;
  const starts = new Array<number>(length).fill(0);
  const lengths = [0, 0, 0, 0];
  for (let i = 0; i < count; i++) {
    const ids = Int32Array.from({ length }, (_, at) => 5 + at);
    const random = randomState(i);
    let runs = 0;
    let run = 0;
    const counted = {
      ...random,
      choice: (cumulated: readonly number[]) => {
        runs++;
        return random.choice(cumulated);
      },
    };
    maskWords(ids, length, counted, { ...options, maskProbability: 1 / 3 }, (position) => {
      if (runs > 1) return;
      if (run++ === 0) starts[position]!++;
    });
    lengths[run]!++;
  }
  expectFrequencies(
    starts,
    starts.map(() => 1),
  );
  // from the last word but one no run of three begins, and from the last one none of two
  const [one, two, three] = [6 / 11, 3 / 11, 2 / 11];
  expectFrequencies(lengths, [
    0,
    one + (two + three) / length,
    two * (1 - 1 / length) + three / length,
    three * (1 - 2 / length),
  ]);
});
