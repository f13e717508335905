import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { partOf, prepareOne, writeDataset, type Documents } from '../../../test/support/datasets.js';
import { temporaryFolder } from '../../../test/support/workspace.js';
import { openSequences } from '../indexed/sequences.js';
import { prepareSamples, type PreparedSamples, type SampleKind } from './prepare.js';
import { openBertSamples, openGptSamples } from './samples.js';

const above = temporaryFolder();
const emptyFolder = () => mkdtempSync(path.join(above, 'indices-'));
let datasets = 0;
const write = (documents: Documents) => writeDataset(path.join(above, `data-${datasets++}`), documents);

/** Documents of sentences of so many tokens. */
const documentsOf = (lengths: readonly (readonly number[])[]): Documents =>
  lengths.map((sentences) => sentences.map((length) => new Array<number>(length).fill(7)));
const someLengths = Array.from({ length: 20 }, (_, i) =>
  Array.from({ length: i % 5 }, (_, j) => 1 + ((i * j) % 7)),
);
const bert = (fields: Partial<SampleKind> = {}) =>
  ({ kind: 'bert', longest: 13, shortSequenceProbability: 0.1, seed: 1234, ...fields }) as SampleKind;
const gpt = (fields: Partial<SampleKind> = {}) =>
  ({ kind: 'gpt', sequenceLength: 8, seed: 1234, ...fields }) as SampleKind;
const filesOf = ({ datasets, blend }: PreparedSamples) =>
  [...datasets.flatMap(({ tables }) => Object.values<string>(tables)), blend].filter(
    (name) => name !== undefined,
  );

describe('an index', () => {
  it.each([bert(), gpt()])('of kind $kind is made once and found again', async (kind) => {
    const prefix = await write(documentsOf(someLengths));
    const folder = path.join(emptyFolder(), 'made', 'when missing');
    const first = await prepareOne(prefix, { kind, count: 50, folder });
    const files = filesOf(first);
    expect(readdirSync(folder).sort()).toEqual(files.map((name) => path.basename(name)).sort());
    // a file that is written again is another one
    const inodes = () => files.map((name) => statSync(name).ino);
    const before = inodes();
    expect(await prepareOne(prefix, { kind, count: 50, folder })).toEqual(first);
    expect(inodes()).toEqual(before);
  });

  it('that lacks a part is made again, the same', async () => {
    const prefix = await write(documentsOf(someLengths));
    const folder = emptyFolder();
    const files = filesOf(await prepareOne(prefix, { kind: gpt(), count: 50, folder }));
    const contents = files.map((name) => readFileSync(name, 'hex'));
    for (const name of files) {
      rmSync(name);
      await prepareOne(prefix, { kind: gpt(), count: 50, folder });
      expect(files.map((file) => readFileSync(file, 'hex'))).toEqual(contents);
    }
  });

  it('that is cut is refused, by its name', async () => {
    const prefix = await write(documentsOf(someLengths));
    const prepared = await prepareOne(prefix, { kind: gpt(), count: 50, folder: emptyFolder() });
    for (const name of filesOf(prepared)) {
      const whole = readFileSync(name);
      truncateSync(name, whole.length - 4);
      await expect(openGptSamples(prepared, { sequenceLength: 8, vocabSize: 10 })).rejects.toThrow(
        `${name}: expected a table`,
      );
      writeFileSync(name, whole);
    }
  });

  it('is another one for another data set, part, number of samples, length, probability or seed', async () => {
    const folder = emptyFolder();
    const lengths = someLengths.flat();
    const same = await write(documentsOf(someLengths));
    const otherLengths = await write(documentsOf(someLengths.map((document) => [...document].reverse())));
    const otherDocuments = await write(documentsOf([lengths]));
    const whole = { first: 0, end: lengths.length };
    const variants: Parameters<typeof prepareOne>[] = [];
    for (const prefix of [same, otherLengths, otherDocuments])
      for (const kind of [bert(), gpt()]) variants.push([prefix, { kind, count: 50, folder }, whole]);
    for (const kind of [
      bert({ seed: 1235 }),
      bert({ longest: 14 }),
      bert({ shortSequenceProbability: 0.2 }),
      gpt({ seed: 1235 }),
      gpt({ sequenceLength: 9 }),
    ])
      variants.push([same, { kind, count: 50, folder }, whole]);
    for (const kind of [bert(), gpt()]) {
      variants.push([same, { kind, count: 51, folder }, whole]);
      variants.push([same, { kind, count: 50, folder }, { first: 0, end: lengths.length - 3 }]);
      variants.push([same, { kind, count: 50, folder }, { first: 3, end: lengths.length }]);
    }
    const files: string[] = [];
    for (const variant of variants) files.push(...filesOf(await prepareOne(...variant)));
    expect(new Set(files).size).toBe(files.length);
    expect(readdirSync(folder).length).toBe(files.length);
  });

  it('of a blend has the samples that each data set is asked for', async () => {
    const folder = emptyFolder();
    const [a, b] = [
      await write(documentsOf(someLengths)),
      await write(
        documentsOf([
          [3, 4, 5],
          [6, 7],
        ]),
      ),
    ];
    const parts = [await partOf(a, { weight: 0.7 }), await partOf(b, { weight: 0.3 })];
    const prepared = await prepareSamples(parts, { kind: bert(), count: 200, folder });
    const other = await prepareSamples(
      parts.map((part) => ({ ...part, weight: 0.5 })),
      { kind: bert(), count: 200, folder },
    );
    expect(other.blend).not.toBe(prepared.blend);
    for (const { sequences } of parts) sequences.close();
    const opened = await openBertSamples(prepared, {
      sequenceLength: 16,
      seed: 1234,
      maskProbability: 0.15,
      vocabSize: 10,
      tokens: { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4 },
      isContinuation: new Uint8Array(10),
    });
    expect(opened.batch(0, 200).batchSize).toBe(200);
    expect(() => opened.batch(200, 1)).toThrow('row 200 of 200');
    opened.close();
  });
});

describe('a data set that makes no sample', () => {
  const none = { first: 0, end: 0 };

  it('of single sentences, long sentences and empty documents, fails at once and says how many', async () => {
    const prefix = await write(documentsOf([[3], [], [513, 2], [4], [1, 600], []]));
    const folder = emptyFolder();
    await expect(prepareOne(prefix, { kind: bert(), count: 1, folder })).rejects.toThrow(
      `${prefix}: expected documents of two or more sentences, none longer than 512 tokens; of 4 documents 2 have one sentence and 2 a longer one`,
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  it('for its part is empty', async () => {
    const prefix = await write(documentsOf(someLengths));
    const folder = emptyFolder();
    await expect(prepareOne(prefix, { kind: bert(), count: 1, folder }, none)).rejects.toThrow(
      /two or more sentences, .* of 0 documents 0 have one/,
    );
    await expect(prepareOne(prefix, { kind: gpt(), count: 1, folder }, none)).rejects.toThrow(
      `${prefix}: expected tokens, found none in 0 sequences`,
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  it('for it has no tokens', async () => {
    const folder = emptyFolder();
    const empty = await write(documentsOf([[0, 0], [0]]));
    await expect(prepareOne(empty, { kind: gpt(), count: 1, folder })).rejects.toThrow(
      `${empty}: expected tokens, found none in 3 sequences`,
    );
    await expect(prepareOne(await write([]), { kind: bert(), count: 1, folder })).rejects.toThrow(
      'of 0 documents',
    );
  });
});

describe('documents that are hard to divide', () => {
  it('of long sentences are left out, with a warning', async () => {
    const prefix = await write(documentsOf([[513, 2], [3, 4], [5], []]));
    const warnings: string[] = [];
    const folder = emptyFolder();
    await prepareOne(prefix, { kind: bert(), count: 5, folder, onWarning: (text) => warnings.push(text) });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(`${prefix}: 1 of 3 documents are left out`);
  });

  it('of 10⁶ sentences, beside one of one and one of none', async () => {
    const prefix = await write(documentsOf([[9], [], Array.from({ length: 1e6 }, (_, i) => 1 + (i % 9))]));
    const prepared = await prepareOne(prefix, {
      kind: bert({ longest: 125 }),
      count: 1000,
      folder: emptyFolder(),
    });
    const sequences = await openSequences(prefix);
    // all of the document, once: 5 tokens a sentence, some 25 sentences a sample
    const rows = (statSync(prepared.datasets[0]!.tables.samples).size - 128) / 12;
    expect(rows).toBeGreaterThan(sequences.tokenCount / 135);
    expect(rows).toBeLessThan(sequences.tokenCount / 100);
    sequences.close();
  });
});
