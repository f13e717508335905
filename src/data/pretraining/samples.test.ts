import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { partOf, prepareOne, writeDataset, type Documents } from '../../../test/support/datasets.js';
import { fixture } from '../../../test/support/fixture.js';
import { temporaryFolder } from '../../../test/support/workspace.js';
import { openSequences } from '../indexed/sequences.js';
import { prepareSamples, type PreparedSamples, type SampleKind } from './prepare.js';
import { openBertSamples, openGptSamples, type Samples } from './samples.js';

const folder = temporaryFolder();
const [sequenceLength, seed] = [24, 1234];
const options = {
  sequenceLength,
  seed,
  maskProbability: 0.3,
  vocabSize: 200,
  tokens: { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4 },
  isContinuation: Uint8Array.from({ length: 200 }, (_, id) => Number(id >= 150)),
};

/** Every token tells where it stands. */
const documents = (count: number, salt: number): Documents =>
  Array.from({ length: count }, (_, i) =>
    Array.from({ length: (i * salt) % 6 }, (_, j) =>
      Array.from({ length: 1 + ((i + j * salt) % 9) }, (_, k) => 5 + ((i * 31 + j * 7 + k * salt) % 195)),
    ),
  );
const kinds = {
  bert: { kind: 'bert', longest: sequenceLength - 3, shortSequenceProbability: 0.1, seed },
  gpt: { kind: 'gpt', sequenceLength, seed },
} as const;
const count = 120;
const weights = [0.5, 0.2, 0.3];
const prefixes = await Promise.all(
  weights.map((_, k) => writeDataset(path.join(folder, `data-${k}`), documents(10 + 5 * k, 3 + 2 * k))),
);

async function prepareBlend(kind: SampleKind): Promise<PreparedSamples> {
  const parts = await Promise.all(prefixes.map((prefix, k) => partOf(prefix, { weight: weights[k]! })));
  const prepared = await prepareSamples(parts, { kind, count, folder });
  for (const { sequences } of parts) sequences.close();
  return prepared;
}

/** Each array of a batch, as rows. */
function rowsOf(batch: object & { readonly batchSize: number }): Record<string, number[][]> {
  const rows: Record<string, number[][]> = {};
  for (const [name, array] of Object.entries<unknown>({ ...batch }))
    if (array instanceof Int32Array) {
      const width = array.length / batch.batchSize;
      rows[name] = Array.from({ length: batch.batchSize }, (_, i) => [
        ...array.subarray(i * width, (i + 1) * width),
      ]);
    }
  return rows;
}

type AnySamples = Samples<{ readonly batchSize: number }>;
const open = {
  bert: (prepared: PreparedSamples): Promise<AnySamples> => openBertSamples(prepared, options),
  gpt: (prepared: PreparedSamples): Promise<AnySamples> => openGptSamples(prepared, options),
};

describe.each(['bert', 'gpt'] as const)('samples of kind %s', (kind) => {
  it('are the same in any order, in batches of any size, and opened again', async () => {
    const prepared = await prepareBlend(kinds[kind]);
    const [one, other] = [await open[kind](prepared), await open[kind](prepared)];
    const all = rowsOf(one.batch(0, count));
    fc.assert(
      fc.property(
        fc.nat(count - 1),
        fc.integer({ min: 1, max: 30 }),
        fc.boolean(),
        (start, size, isOther) => {
          const length = Math.min(size, count - start);
          const found = rowsOf((isOther ? other : one).batch(start, length));
          for (const [name, rows] of Object.entries(found))
            expect(rows).toEqual(all[name]!.slice(start, start + length));
        },
      ),
    );
    one.close();
    other.close();
  });

  it('of a blend are those of its data sets, in their order', async () => {
    const blend = await prepareBlend(kinds[kind]);
    const opened = await open[kind](blend);
    const found = rowsOf(opened.batch(0, count));
    opened.close();
    const taken = weights.map(() => 0);
    const alone = await Promise.all(blend.datasets.map((dataset) => open[kind]({ datasets: [dataset] })));
    for (let i = 0; i < count; i++) {
      const expected = alone.map((samples, k) => rowsOf(samples.batch(taken[k]!, 1)));
      const isEqual = expected.map((sample) =>
        Object.entries(sample).every(([name, [row]]) => row!.join() === found[name]![i]!.join()),
      );
      // data sets differ, and so do their samples
      expect(isEqual.filter(Boolean)).toHaveLength(1);
      taken[isEqual.indexOf(true)]!++;
    }
    for (const samples of alone) samples.close();
    for (const [k, weight] of weights.entries()) expect(Math.abs(taken[k]! - weight * count)).toBeLessThan(1);
  });

  it('of a part are of its sentences alone', async () => {
    const sequences = await openSequences(prefixes[2]!);
    const [first, end] = [20, 37];
    const inside = new Set(
      sequences.tokens(sequences.place(first), sequences.place(end) - sequences.place(first)),
    );
    sequences.close();
    const prepared = await prepareOne(prefixes[2]!, { kind: kinds[kind], count, folder }, { first, end });
    const opened = await open[kind](prepared);
    const { labels } = rowsOf(opened.batch(0, count));
    opened.close();
    for (const label of labels!.flat()) expect(label === -100 || inside.has(label)).toBe(true);
  });
});

it.each(['bert', 'gpt'] as const)('of kind %s are the same of both layouts of a data set', async (kind) => {
  const vocabSize = 3000;
  const batches = ['items', 'classic'].map(async (name) => {
    const prepared = await prepareOne(fixture(`datasets/${name}`), { kind: kinds[kind], count, folder });
    const opened =
      kind === 'gpt'
        ? await openGptSamples(prepared, { sequenceLength, vocabSize })
        : await openBertSamples(prepared, {
            ...options,
            vocabSize,
            isContinuation: new Uint8Array(vocabSize),
          });
    const batch = opened.batch(0, count);
    opened.close();
    return batch;
  });
  const [current, classic] = await Promise.all(batches);
  expect(classic).toEqual(current);
});

it('another seed gives other samples', async () => {
  const prepared = await prepareBlend(kinds.bert);
  const batches = await Promise.all(
    [seed, seed + 1].map(async (other) => {
      const opened = await openBertSamples(prepared, { ...options, seed: other });
      const batch = opened.batch(0, 20);
      opened.close();
      return batch;
    }),
  );
  expect(batches[0]).not.toEqual(batches[1]);
});
