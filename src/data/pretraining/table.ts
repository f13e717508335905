/**
 * Rows of whole numbers in a file, of which any can be read without the others: numpy's `.npy` of two dimensions and
 * type `<u4`. Source: numpy, format version 1.0.
 */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { writeFileAtomically } from '../../checkpoint/file-bytes.js';
import { InputError } from '../../errors.js';

export interface Table {
  readonly rows: number;
  /** A view that holds until the next call. */
  row(i: number): Uint32Array;
  close(): void;
}

const headerSize = 128;
/** Rows that are written at once, and that are read at once: the next one is often asked for next. */
const writtenRows = 2 ** 16;
const readRows = 2 ** 9;
/** Rows of a table that is held. */
const heldRows = 2 ** 20;

/** Complete, or not there, at any moment; where several write the same one at once, one of them stays. */
export async function writeTable(
  name: string,
  columns: number,
  fill: (add: (...row: number[]) => void) => void,
): Promise<void> {
  await writeFileAtomically(name, async ({ fd }) => {
    const block = new Uint32Array(writtenRows * columns);
    let used = 0;
    let written = 0;
    const flush = () => {
      writeWhole(fd, new Uint8Array(block.buffer, 0, 4 * used), headerSize + 4 * written);
      written += used;
      used = 0;
    };
    fill((...row) => {
      block.set(row, used);
      used += columns;
      if (used === block.length) flush();
    });
    flush();
    writeWhole(fd, headerOf(written / columns, columns), 0);
    return Promise.resolve();
  });
}

/** @throws InputError where it is no such table */
export function openTable(name: string, columns: number): Table {
  const file = openSync(name, 'r');
  const { size } = fstatSync(file);
  const rows = (size - headerSize) / (4 * columns);
  const readInto = (bytes: Uint8Array, offset: number) => {
    if (readSync(file, bytes, 0, bytes.length, offset) < bytes.length)
      throw new InputError(`${name}: expected ${bytes.length} bytes at ${offset} of its ${size} bytes`);
    return bytes;
  };
  const isTable =
    Number.isInteger(rows) &&
    rows >= 0 &&
    headerOf(rows, columns).equals(readInto(new Uint8Array(headerSize), 0));
  if (!isTable) {
    closeSync(file);
    throw new InputError(`${name}: expected a table of ${columns} columns, found another file: remove it`);
  }
  const blockRows = rows <= heldRows ? rows : readRows;
  const block = new Uint32Array(blockRows * columns);
  let first = -blockRows;
  return {
    rows,
    row(i) {
      if (!(i >= 0 && i < rows)) throw new RangeError(`${name}: row ${i} of ${rows}`);
      if (i < first || i >= first + blockRows) {
        first = i - (i % blockRows);
        const count = Math.min(blockRows, rows - first);
        readInto(new Uint8Array(block.buffer, 0, 4 * columns * count), headerSize + 4 * columns * first);
      }
      return block.subarray((i - first) * columns, (i - first + 1) * columns);
    },
    close: () => {
      closeSync(file);
    },
  };
}

function headerOf(rows: number, columns: number): Buffer {
  const header = Buffer.alloc(headerSize, ' ');
  header.write('\x93NUMPY\x01\x00', 'latin1');
  header.writeUInt16LE(headerSize - 10, 8);
  header.write(`{'descr': '<u4', 'fortran_order': False, 'shape': (${rows}, ${columns}), }`, 10);
  header.write('\n', headerSize - 1);
  return header;
}

function writeWhole(file: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;)
    done += writeSync(file, bytes, done, bytes.length - done, position + done);
}
