/** Samples as Megatron-LM makes them of the same data sets (parity/make_sample_fixtures.py), number for number. */
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { openSequences, type SequenceRange } from '../src/data/indexed/sequences.js';
import { blend } from '../src/data/pretraining/blend.js';
import { mersenneTwister64 } from '../src/data/pretraining/mersenne-twister.js';
import type { PreparedSamples } from '../src/data/pretraining/prepare.js';
import { randomState } from '../src/data/pretraining/random-state.js';
import { openBertSamples, openGptSamples } from '../src/data/pretraining/samples.js';
import { splitBoundaries } from '../src/data/pretraining/split.js';
import { openTable } from '../src/data/pretraining/table.js';
import type { SpecialTokenIds } from '../src/text/tokenizer.js';
import { prepareOne, writeDataset } from './support/datasets.js';
import { readGzippedJson } from './support/fixture.js';
import { temporaryFolder } from './support/workspace.js';

interface Case {
  readonly name: string;
  /** Documents `part[0]` up to `part[1]`. */
  readonly part: readonly [number, number];
  readonly sequence_length: number;
  readonly seed: number;
  readonly count: number;
}

interface BertCase extends Case {
  readonly documents: readonly number[][][];
  readonly short_seq_prob: number;
  readonly mask_prob: number;
  readonly mapping: readonly number[][];
  readonly samples: readonly {
    readonly text: readonly number[];
    readonly types: readonly number[];
    readonly labels: readonly number[];
    readonly padding_mask: readonly number[];
    readonly is_random: number;
  }[];
}

interface GptCase extends Case {
  readonly documents: readonly number[][];
  readonly document_index: readonly number[];
  readonly sample_index: readonly number[][];
  readonly shuffle_index: readonly number[];
  readonly is_last_epoch_separate: boolean;
  readonly samples: readonly number[][];
}

interface Draws {
  readonly seed: number;
  readonly random: readonly number[];
  readonly ends: readonly number[];
  readonly integers: readonly number[][];
  readonly choices: readonly number[];
  readonly shuffled: readonly number[];
  readonly remainders: readonly (readonly [number, readonly number[]])[];
}

const folder = temporaryFolder();
const bert = readGzippedJson('samples/bert.json.gz') as {
  readonly vocabulary: SpecialTokenIds & { readonly size: number; readonly continuations: number[] };
  readonly cases: readonly BertCase[];
};
const gpt = readGzippedJson('samples/gpt.json.gz') as { readonly cases: readonly GptCase[] };
const { draws, splits, blends } = readGzippedJson('samples/draws.json.gz') as {
  readonly draws: readonly Draws[];
  readonly splits: readonly (readonly [string, number, readonly number[]])[];
  readonly blends: readonly { readonly weights: number[]; readonly rows: number[][] }[];
};

function rowsOf(file: string, columns: number): number[][] {
  const table = openTable(file, columns);
  const rows = Array.from({ length: table.rows }, (_, i) => [...table.row(i)]);
  table.close();
  return rows;
}

async function sequencesOf(prefix: string, [first, end]: Case['part']): Promise<SequenceRange> {
  const sequences = await openSequences(prefix);
  const [start = 0] = sequences.documentStarts(first, first + 1);
  const [stop = 0] = sequences.documentStarts(end, end + 1);
  sequences.close();
  return { first: start, end: stop };
}

async function prepare(
  given: BertCase | GptCase,
  documents: number[][][],
  kind: Parameters<typeof prepareOne>[1]['kind'],
): Promise<PreparedSamples> {
  const prefix = await writeDataset(path.join(folder, given.name), documents);
  return prepareOne(prefix, { kind, count: given.count, folder }, await sequencesOf(prefix, given.part));
}

test.each(bert.cases.map((given) => [given.name, given] as const))(
  'the mapping and the samples of %s',
  async (_, given) => {
    const { sequence_length: sequenceLength, seed } = given;
    const prepared = await prepare(given, [...given.documents], {
      kind: 'bert',
      longest: sequenceLength - 3,
      shortSequenceProbability: given.short_seq_prob,
      seed,
    });
    const { samples, order } = prepared.datasets[0]!.tables;
    const rows = rowsOf(samples, 3);
    expect(rowsOf(order, 1).map(([row]) => rows[row!])).toEqual(given.mapping);

    const { vocabulary } = bert;
    const opened = await openBertSamples(prepared, {
      sequenceLength,
      seed,
      maskProbability: given.mask_prob,
      vocabSize: vocabulary.size,
      tokens: vocabulary,
      isContinuation: Uint8Array.from({ length: vocabulary.size }, (_, id) =>
        Number(vocabulary.continuations.includes(id)),
      ),
    });
    const batch = opened.batch(0, given.samples.length);
    opened.close();
    const found = given.samples.map((_, i) => {
      const row = (all: Int32Array) => [...all.subarray(i * sequenceLength, (i + 1) * sequenceLength)];
      return {
        text: row(batch.input_ids),
        types: row(batch.token_type_ids),
        labels: row(batch.labels).map((label) => (label === -100 ? -1 : label)),
        padding_mask: row(batch.attention_mask),
        is_random: batch.next_sentence_label[i],
      };
    });
    expect(found).toEqual(given.samples);
  },
);

test.each(gpt.cases.map((given) => [given.name, given] as const))(
  'the indices and the samples of %s',
  async (_, given) => {
    const { sequence_length: sequenceLength, seed } = given;
    const documents = given.documents.map((tokens) => [tokens]);
    const prepared = await prepare(given, documents, { kind: 'gpt', sequenceLength, seed });
    const { tables } = prepared.datasets[0]!;
    expect(rowsOf(tables.documents!, 1).flat()).toEqual(given.document_index);
    expect(rowsOf(tables.samples, 2)).toEqual(given.sample_index);
    expect(rowsOf(tables.order, 1).flat()).toEqual(given.shuffle_index);

    const opened = await openGptSamples(prepared, { sequenceLength, vocabSize: 3000 });
    const { input_ids, labels } = opened.batch(0, given.samples.length);
    opened.close();
    for (const [i, text] of given.samples.entries()) {
      const row = (all: Int32Array) => [...all.subarray(i * sequenceLength, (i + 1) * sequenceLength)];
      expect(row(input_ids)).toEqual(text.slice(0, -1));
      expect(row(labels)).toEqual(text.slice(1));
    }
  },
);

test('GPT cases whose last epoch is shuffled by itself, and others', () => {
  expect(new Set(gpt.cases.map((given) => given.is_last_epoch_separate))).toEqual(new Set([true, false]));
});

describe('draws', () => {
  test.each(draws.map((given) => [given.seed, given] as const))("numpy's for seed %d", (seed, given) => {
    const random = randomState(seed);
    expect(given.random.map(() => random.random())).toEqual(given.random);
    expect(given.integers.map(() => given.ends.map((end) => random.integer(0, end)))).toEqual(given.integers);
    expect(given.choices.map(() => random.choice([6 / 11, 9 / 11, 1]))).toEqual(given.choices);
    const items = Uint32Array.from(given.shuffled, (_, i) => i);
    random.shuffle(items);
    expect([...items]).toEqual(given.shuffled);
  });

  test.each(draws.map((given) => [given.seed, given] as const))('of 64 bits for seed %d', (seed, given) => {
    for (const [modulus, expected] of given.remainders) {
      const draw = mersenneTwister64(seed);
      const found = Array.from({ length: 400 }, () => draw(modulus)).filter((_, i) => i % 7 === 0);
      expect(found).toEqual(expected);
    }
  });
});

test('parts of data sets of any size', () => {
  const found = splits.map(([split, count]) => [split, count, splitBoundaries(split, count)]);
  expect(found).toEqual(splits);
});

test.each(blends)('a blend of $weights', ({ weights, rows }) => {
  const found: number[][] = [];
  blend(weights, rows.length, (dataset, sample) => found.push([dataset, sample]));
  expect(found).toEqual(rows);
});
