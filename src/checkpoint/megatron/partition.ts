/** Parts of a parameter to the whole and back, for any number of ranks. Works on bytes, whatever the numbers are. */
import { elementsOf } from '../torch/tensor.js';
import { partitionOf, type MegatronName } from './names.js';
import { forEachStretch, type CheckpointVersion } from './query-key-value.js';

export interface PartitionOptions {
  readonly name: MegatronName;
  /** Of the whole. */
  readonly shape: readonly number[];
  readonly itemSize: number;
  readonly heads: number;
  readonly version: CheckpointVersion;
}

/** The axis that a parameter is split along. */
const axisOf = (name: MegatronName) => {
  const partition = partitionOf(name);
  return partition === 'heads' ? 0 : partition;
};

/** The shape of one of `ranks` equal parts. */
export function partShape(name: MegatronName, shape: readonly number[], ranks: number): readonly number[] {
  const axis = axisOf(name);
  return axis === undefined ? shape : shape.with(axis, shape[axis]! / ranks);
}

/** Of a whole whose parts have this shape. @throws RangeError where they have no such axis */
export function wholeShape(name: MegatronName, part: readonly number[], ranks: number): readonly number[] {
  const axis = axisOf(name);
  return axis === undefined ? part : part.with(axis, part[axis]! * ranks);
}

/** One part in memory at a time. @param readPart of a rank */
export async function merge(
  ranks: number,
  options: PartitionOptions,
  readPart: (rank: number) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const isWhole = ranks === 1 && !isReordered(options);
  if (isWhole || partitionOf(options.name) === undefined) return readPart(0);
  const whole = new Uint8Array(elementsOf(options.shape) * options.itemSize);
  for (let rank = 0; rank < ranks; rank++) {
    const part = await readPart(rank);
    forEachRun(options, rank, ranks, (wholeAt, partAt, length) => {
      whole.set(part.subarray(partAt, partAt + length), wholeAt);
    });
  }
  return whole;
}

/** The part of one rank: it may be the whole itself, or some of its bytes. */
export function split(whole: Uint8Array, rank: number, ranks: number, options: PartitionOptions): Uint8Array {
  const isWhole = ranks === 1 && !isReordered(options);
  const partition = partitionOf(options.name);
  if (isWhole || partition === undefined) return whole;
  const length = whole.byteLength / ranks;
  if (partition === 0) return whole.subarray(rank * length, (rank + 1) * length);
  const part = new Uint8Array(length);
  forEachRun(options, rank, ranks, (wholeAt, partAt, length) => {
    part.set(whole.subarray(wholeAt, wholeAt + length), partAt);
  });
  return part;
}

const isReordered = ({ name, version }: PartitionOptions) => partitionOf(name) === 'heads' && version !== 0;

/** Visits the runs of bytes that a rank's part has in common with the whole. */
function forEachRun(
  { name, shape, itemSize, heads, version }: PartitionOptions,
  rank: number,
  ranks: number,
  visit: (wholeAt: number, partAt: number, length: number) => void,
): void {
  const partition = partitionOf(name);
  const rowLength = itemSize * elementsOf(shape.slice(1));
  const rows = shape[0]!;
  if (partition === 'heads')
    forEachStretch(
      { heads, heldHeads: heads / ranks, rank, headSize: rows / (3 * heads), version },
      (wholeRow, partRow, count) => {
        visit(wholeRow * rowLength, partRow * rowLength, count * rowLength);
      },
    );
  else if (partition === 0) visit((rank * rows * rowLength) / ranks, 0, (rows * rowLength) / ranks);
  else {
    const length = rowLength / ranks;
    for (let row = 0; row < rows; row++) visit(row * rowLength + rank * length, row * length, length);
  }
}
