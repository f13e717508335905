import fc from 'fast-check';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixture } from '../../../test/support/fixture.js';
import { temporaryFolder } from '../../../test/support/workspace.js';
import { InputError } from '../../errors.js';
import { openTable, writeTable } from './table.js';

const folder = temporaryFolder();
let count = 0;
const place = () => path.join(folder, `table-${count++}.npy`);

async function write(rows: readonly (readonly number[])[], columns: number, name = place()): Promise<string> {
  await writeTable(name, columns, (add) => {
    for (const row of rows) add(...row);
  });
  return name;
}

function read(name: string, columns: number): number[][] {
  const table = openTable(name, columns);
  const rows = Array.from({ length: table.rows }, (_, i) => [...table.row(i)]);
  table.close();
  return rows;
}

/** Made by numpy.save. */
const ofNumpy = fixture('samples/table.npy');
const itsRows = [
  [0, 1, 2],
  [2 ** 32 - 1, 2 ** 31, 7],
];

describe('a table', () => {
  it("is numpy's file, byte for byte", async () => {
    expect(read(ofNumpy, 3)).toEqual(itsRows);
    expect(readFileSync(await write(itsRows, 3)).equals(readFileSync(ofNumpy))).toBe(true);
  });

  it('is read as it was written', async () => {
    const tables = fc.integer({ min: 1, max: 4 }).chain((columns) =>
      fc.tuple(
        fc.constant(columns),
        fc.array(
          fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { minLength: columns, maxLength: columns }),
          {
            maxLength: 20,
          },
        ),
      ),
    );
    await fc.assert(
      fc.asyncProperty(tables, async ([columns, rows]) => {
        expect(read(await write(rows, columns), columns)).toEqual(rows);
      }),
      { numRuns: 50 },
    );
  });

  it.each([2 ** 16 - 1, 2 ** 16, 2 ** 16 + 1, 150_000])('of %d rows', async (length) => {
    const name = await write(
      Array.from({ length }, (_, i) => [i, 2 * i]),
      2,
    );
    const table = openTable(name, 2);
    expect(table.rows).toBe(length);
    for (const i of [length - 1, 0, 2 ** 16 - 2, 511, 512, length >> 1, length - 1])
      expect([...table.row(i)]).toEqual([i, 2 * i]);
    expect(() => table.row(length)).toThrow(`${name}: row ${length} of ${length}`);
    table.close();
  });

  it('that is cut or grown anywhere is refused', async () => {
    const whole = readFileSync(await write(itsRows, 3));
    const name = place();
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(name, whole.subarray(0, length));
      expect(() => openTable(name, 3)).toThrow(`${name}: expected a table of 3 columns, found another file`);
    }
    writeFileSync(name, Buffer.concat([whole, Buffer.alloc(12)]));
    expect(() => openTable(name, 3)).toThrow(InputError);
  });

  it('whose header is damaged anywhere is refused', async () => {
    const whole = readFileSync(await write(itsRows, 3));
    const name = place();
    for (let at = 0; at < 128; at++) {
      const damaged = Buffer.from(whole);
      damaged[at]! ^= 1;
      writeFileSync(name, damaged);
      expect(() => openTable(name, 3)).toThrow(InputError);
    }
  });

  it('of other columns is refused', async () => {
    const name = await write(itsRows, 3);
    for (const columns of [1, 2, 4, 6]) expect(() => openTable(name, columns)).toThrow(InputError);
  });
});

describe('writeTable', () => {
  it('leaves one whole file where several write at once, and nothing else', async () => {
    const name = place();
    const tables = Array.from({ length: 8 }, (_, k) =>
      Array.from({ length: 20_000 + k }, (_, i) => [k, i] as const),
    );
    await Promise.all(tables.map((rows) => write(rows, 2, name)));
    const found = read(name, 2);
    expect(found).toEqual(tables[found[0]![0]!]);
    expect(readdirSync(folder).filter((file) => file.startsWith('.'))).toEqual([]);
  });

  it('leaves nothing behind where the rows cannot be made', async () => {
    const name = place();
    const before = readdirSync(folder);
    await expect(
      writeTable(name, 1, (add) => {
        for (let i = 0; i < 70_000; i++) add(i);
        throw new InputError('no more rows');
      }),
    ).rejects.toThrow('no more rows');
    expect(readdirSync(folder)).toEqual(before);
  });
});
