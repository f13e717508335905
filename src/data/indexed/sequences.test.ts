import fc from 'fast-check';
import { closeSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeDataset, type Documents } from '../../../test/support/datasets.js';
import { fixture } from '../../../test/support/fixture.js';
import { temporaryFolder } from '../../../test/support/workspace.js';
import { InputError } from '../../errors.js';
import { openIndexedDataset } from './open.js';
import { documentsIn, openSequences, requireConsistent, type Sequences } from './sequences.js';

const folder = temporaryFolder();
let count = 0;
const place = () => path.join(folder, `data-${count++}`);

async function using<Result>(prefix: string, use: (sequences: Sequences) => Result): Promise<Result> {
  const sequences = await openSequences(prefix);
  try {
    return use(sequences);
  } finally {
    sequences.close();
  }
}

/** All that the other reader of data sets says, and this one. */
async function expectSame(prefix: string, sequences: Sequences): Promise<void> {
  const dataset = await openIndexedDataset(prefix);
  const { sequenceCount, documentCount, tokenCount, lengths, documentIndex } = dataset;
  expect(sequences).toMatchObject({ prefix, count: sequenceCount, documentCount, tokenCount });
  expect(sequences.lengths(0, sequenceCount)).toEqual(lengths);
  expect(sequences.documentStarts(0, documentCount + 1)).toEqual(documentIndex);
  const all = await dataset.readMany(0, sequenceCount);
  let at = 0;
  for (const [i, tokens] of all.entries()) {
    expect(sequences.place(i)).toBe(at);
    expect(sequences.lengths(i, i + 1)).toEqual(Int32Array.of(tokens.length));
    expect([...sequences.tokens(at, tokens.length)]).toEqual([...tokens]);
    at += tokens.length;
  }
  expect(sequences.place(sequenceCount)).toBe(tokenCount);
  await dataset.close();
}

const documentsArbitrary = fc.array(fc.array(fc.array(fc.nat(65535), { maxLength: 8 }), { maxLength: 5 }), {
  maxLength: 8,
});

describe('openSequences', () => {
  it('reads what was written, in both types', async () => {
    await fc.assert(
      fc.asyncProperty(documentsArbitrary, fc.constantFrom('uint16', 'int32'), async (documents, dtype) => {
        const prefix = await writeDataset(place(), documents, dtype);
        const sequences = await openSequences(prefix);
        requireConsistent(sequences);
        await expectSame(prefix, sequences);
        const all = documents.flat(2);
        expect([...sequences.tokens(0, all.length)]).toEqual(all);
        sequences.close();
      }),
      { numRuns: 40 },
    );
  });

  it.each(['items', 'classic', 'extremes', 'extremes32', 'plain_sentences_document'])(
    "reads %s of megatron-core's",
    async (name) => {
      const sequences = await openSequences(fixture(`datasets/${name}`));
      requireConsistent(sequences);
      await expectSame(sequences.prefix, sequences);
      sequences.close();
    },
  );

  it('reads a data set of 8 GB', async () => {
    const prefix = place();
    const length = 2 ** 29;
    const index = Buffer.alloc(34 + 4 * 12 + 2 * 8);
    readFileSync(fixture('datasets/extremes32.idx')).copy(index, 0, 0, 18);
    index.writeBigUInt64LE(4n, 18);
    index.writeBigUInt64LE(2n, 26);
    for (let i = 0; i < 4; i++) {
      index.writeInt32LE(length, 34 + 4 * i);
      index.writeBigInt64LE(BigInt(4 * length * i), 50 + 8 * i);
    }
    index.writeBigInt64LE(4n, 34 + 48 + 8);
    writeFileSync(`${prefix}.idx`, index);
    const file = openSync(`${prefix}.bin`, 'w');
    writeSync(file, Int32Array.of(77), 0, 4, 16 * length - 8);
    closeSync(file);
    truncateSync(`${prefix}.bin`, 16 * length);
    await using(prefix, (sequences) => {
      requireConsistent(sequences);
      expect(sequences.place(3)).toBe(3 * length);
      expect([...sequences.tokens(sequences.place(4) - 3, 3)]).toEqual([0, 77, 0]);
      truncateSync(`${prefix}.bin`, 4);
      expect(() => sequences.tokens(0, 3)).toThrow('the file has become shorter since it was opened');
    });
  });

  it('names the file that is not there', async () => {
    const prefix = place();
    await expect(openSequences(prefix)).rejects.toThrow(`there is no ${prefix}.idx`);
    writeFileSync(`${prefix}.idx`, '');
    await expect(openSequences(prefix)).rejects.toThrow(`there is no ${prefix}.bin`);
  });

  it('refuses to read what is not there', async () => {
    const prefix = await writeDataset(place(), [[[1, 2, 3]]]);
    await using(prefix, (sequences) => {
      expect(() => sequences.tokens(1, 3)).toThrow(`${prefix}.bin: 6 bytes at 2 are not in its 6 bytes`);
      expect(() => sequences.tokens(-1, 1)).toThrow(InputError);
      expect(() => sequences.lengths(0, 100)).toThrow(InputError);
    });
  });
});

describe('requireConsistent', () => {
  /** A data set of three sequences in two documents, of which the index was changed. */
  async function damaged(change: (index: Buffer) => void, data = Buffer.alloc(18, 1)): Promise<string> {
    const prefix = await writeDataset(place(), [
      [
        [1, 1, 1],
        [1, 1],
      ],
      [[1, 1, 1, 1]],
    ]);
    const index = readFileSync(`${prefix}.idx`);
    change(index);
    writeFileSync(`${prefix}.idx`, index);
    writeFileSync(`${prefix}.bin`, data);
    return prefix;
  }
  const big = (at: number, value: bigint) => (index: Buffer) => {
    index.writeBigInt64LE(value, at);
  };
  const small = (at: number, value: number) => (index: Buffer) => {
    index.writeInt32LE(value, at);
  };
  const same = () => undefined;

  it.each<[string, (index: Buffer) => void, RegExp]>([
    ['a negative length', small(34, -3), /sequence 0: expected a length of 0 or more/],
    ['another length', small(38, 3), /sequence 2: .* beginning at token 6, found 4 at 5/],
    ['a longer last sequence', small(42, 5), /\.bin: expected 10 tokens, as .*\.idx says, found 9/],
    ['a first place that is not 0', big(46, 2n), /sequence 0: .* beginning at token 0, found 3 at 1/],
    ['another place', big(54, 4n), /sequence 1: .* beginning at token 3, found 2 at 2/],
    ['a place between two tokens', big(54, 7n), /sequence 1: .* beginning at token 3, found 2 at 3.5/],
    ['a first document that is not at 0', big(70, 1n), /document 0: expected .* from 0 to 0, found 1/],
    ['documents that go back', big(78, -1n), /document 1: expected .* from 0 to 3, found -1/],
    ['a document beyond the sequences', big(78, 4n), /document 1: .* found 4/],
    ['documents that end before', big(86, 2n), /expected documents up to sequence 3, found them to end at 2/],
  ])('refuses %s', async (_, change, message) => {
    const prefix = await damaged(change);
    await using(prefix, (sequences) => {
      expect(() => {
        requireConsistent(sequences);
      }).toThrow(message);
      expect(() => {
        requireConsistent(sequences);
      }).toThrow(prefix);
    });
  });

  it.each([0, 17, 20])('refuses %d bytes of data where there are 18', async (size) => {
    await using(await damaged(same, Buffer.alloc(size)), (sequences) => {
      expect(() => {
        requireConsistent(sequences);
      }).toThrow(/\.bin: expected 9 tokens/);
    });
  });

  it.each(['items', 'extremes32', 'classic'])(
    'accepts of 500 changed indices of %s what openIndexedDataset accepts',
    async (name) => {
      const source = fixture(`datasets/${name}`);
      const index = readFileSync(`${source}.idx`);
      const prefix = place();
      writeFileSync(`${prefix}.bin`, readFileSync(`${source}.bin`));
      // of the classic layout's numbers some say again what others say, and are not read here
      const sequenceCount = await using(source, (sequences) => sequences.count);
      const unread = (at: number) =>
        name === 'classic' &&
        ((at >= 56 && at < 56 + 8 * (sequenceCount + 1)) ||
          (at >= 56 + 8 * (2 * sequenceCount + 1) && at < 56 + 8 * (2 * sequenceCount + 2)));
      const change = fc.tuple(fc.nat(index.length - 1), fc.nat(255)).filter(([at]) => !unread(at));
      const accepts = async (open: () => Promise<void>) => {
        try {
          await open();
          return true;
        } catch (error) {
          expect(error).toBeInstanceOf(InputError);
          return false;
        }
      };
      let accepted = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
          const changed = Buffer.from(index);
          for (const [at, value] of changes) changed[at] = value;
          writeFileSync(`${prefix}.idx`, changed);
          const expected = await accepts(async () => {
            await (await openIndexedDataset(prefix)).close();
          });
          expect(await accepts(() => using(prefix, requireConsistent))).toBe(expected);
          accepted += Number(expected);
        }),
        { numRuns: 500 },
      );
      expect(accepted).toBeLessThan(500);
    },
  );
});

describe('documentsIn', () => {
  const lengthsOf = (documents: Documents) =>
    documents.map((document) => document.map(({ length }) => length));

  it('goes through the documents of a part that have sequences', async () => {
    await fc.assert(
      fc.asyncProperty(documentsArbitrary, fc.nat(8), fc.nat(8), async (documents, a, b) => {
        const [from, to] = [Math.min(a, b, documents.length), Math.min(Math.max(a, b), documents.length)];
        const prefix = await writeDataset(place(), documents);
        const starts = documents.map((_, i) => documents.slice(0, i).flat().length);
        starts.push(documents.flat().length);
        const range = { first: starts[from]!, end: starts[to]! };
        const found = await using(prefix, (sequences) =>
          [...documentsIn(sequences, range)].map(({ first, lengths }) => ({ first, lengths: [...lengths] })),
        );
        const expected = lengthsOf(documents)
          .map((lengths, i) => ({ first: starts[i]!, lengths }))
          .slice(from, to)
          .filter(({ lengths }) => lengths.length > 0);
        expect(found).toEqual(expected);
      }),
      { numRuns: 40 },
    );
  });

  it('cuts a document that reaches over an end', async () => {
    const prefix = await writeDataset(place(), [
      [[1], [1, 1], [1, 1, 1]],
      [[1, 1, 1, 1], [1]],
    ]);
    await using(prefix, (sequences) => {
      const found = [...documentsIn(sequences, { first: 1, end: 4 })];
      expect(found).toEqual([
        { first: 1, lengths: Int32Array.of(2, 3) },
        { first: 3, lengths: Int32Array.of(4) },
      ]);
    });
  });

  it('goes through more documents and sequences than are read at once', async () => {
    const documents = Array.from({ length: 70_000 }, (_, i) =>
      Array.from({ length: i === 40_000 ? 100_000 : i % 3 }, (_, j) =>
        new Array<number>((i + j) % 4).fill(7),
      ),
    );
    const prefix = await writeDataset(place(), documents);
    await using(prefix, (sequences) => {
      requireConsistent(sequences);
      const expected = lengthsOf(documents).filter((lengths) => lengths.length > 0);
      let at = 0;
      let differing = 0;
      for (const { first, lengths } of documentsIn(sequences, { first: 0, end: sequences.count })) {
        const next = expected.shift();
        if (first !== at || lengths.join() !== next?.join()) differing++;
        at += lengths.length;
      }
      expect([differing, expected.length, at]).toEqual([0, 0, sequences.count]);
    });
  });
});
