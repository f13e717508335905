import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeDataset } from '../../../test/support/datasets.js';
import { temporaryFolder } from '../../../test/support/workspace.js';
import { openDatasets } from './corpus-parts.js';

const folder = temporaryFolder();
let count = 0;
const vocab = Array.from({ length: 20 }, (_, id) => String(id));

describe('openDatasets', () => {
  const [documents, sentences] = [60, 5];
  const all = documents * sentences;
  const lengthAt = (sequence: number) => 34 + 4 * sequence;
  const placeAt = (sequence: number) => 34 + 4 * all + 8 * sequence;
  const documentAt = (document: number) => 34 + 12 * all + 8 * document;
  const write = () =>
    writeDataset(
      path.join(folder, `data-${count++}`),
      Array.from({ length: documents }, () => Array.from({ length: sentences }, () => [5, 6, 7])),
    );

  it.each<[string, (index: Buffer) => void, RegExp]>([
    ['a document that begins before all', (b) => b.writeBigInt64LE(-1n, documentAt(57)), /document 57: /],
    ['one that begins after all', (b) => b.writeBigInt64LE(1n << 60n, documentAt(57)), /document 57: /],
    ['documents that go back', (b) => b.writeBigInt64LE(3n, documentAt(57)), /document 57: .* found 3/],
    ['documents that end before', (b) => b.writeBigInt64LE(3n, documentAt(60)), /document 60: .* found 3/],
    ['a place far away', (b) => b.writeBigInt64LE(1n << 55n, placeAt(285)), /sequence 285: /],
    ['a negative length', (b) => b.writeInt32LE(-5, lengthAt(100)), /sequence 100: .* found -5/],
    ['a length beyond the data', (b) => b.writeInt32LE(2 ** 31 - 1, lengthAt(100)), /sequence 101: /],
  ])('refuses an index with %s', async (_, damage, message) => {
    const prefix = await write();
    const index = readFileSync(`${prefix}.idx`);
    damage(index);
    writeFileSync(`${prefix}.idx`, index);
    const opening = openDatasets([{ prefix: await write() }, { prefix }], vocab);
    await expect(opening).rejects.toThrow(message);
    await expect(opening).rejects.toThrow(`${prefix}.idx: `);
  });

  it('refuses data that is shorter than the index says', async () => {
    const prefix = await write();
    truncateSync(`${prefix}.bin`, 6 * all - 2);
    await expect(openDatasets([{ prefix }], vocab)).rejects.toThrow(
      `${prefix}.bin: expected ${3 * all} tokens, as ${prefix}.idx says, found ${3 * all - 1}`,
    );
  });

  it('refuses tokens of another vocabulary', async () => {
    const prefix = await write();
    await expect(openDatasets([{ prefix }], vocab.slice(0, 7))).rejects.toThrow(
      `${prefix}: expected token ids below 7, found 7`,
    );
    for (const { sequences } of await openDatasets([{ prefix }], vocab.slice(0, 8))) sequences.close();
  });
});
