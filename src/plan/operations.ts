/** How long a device takes for one operation: a matrix product, or a pass over memory. */
import { elementBytes, type Device, type Precision } from './machine.js';

/** `count` products of [rows, depth] and [depth, columns]. */
export interface MatrixProduct {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly count?: number;
}

/** What a device does one after the other: products, and bytes that other operations read and write. */
export interface Work {
  readonly products: readonly MatrixProduct[];
  readonly passes: readonly number[];
}

/** Two for each multiplication and its addition. */
export const productFlops = ({ rows, columns, depth, count = 1 }: MatrixProduct) =>
  2 * count * rows * columns * depth;

/** Some 400 cycles to memory (arXiv 1804.06826, chapter 3), for the first load and for the last store. */
const tileLatency = 2 * 0.25e-6;

/**
 * Each processor computes whole tiles, one after the other; at the edges, and while the last wave of tiles does not
 * occupy all processors, it computes for nothing (NVIDIA, Matrix Multiplication Background User's Guide, section 3).
 * A tile takes the longer of its multiplications and of its operands' way from the cache, and then its result has to go
 * there. All of it cannot be faster than memory.
 *
 * @returns seconds
 */
export function productSeconds(product: MatrixProduct, device: Device, precision: Precision): number {
  const { rows, columns, depth, count = 1 } = product;
  const element = elementBytes[precision];
  const flops = (device.sustained * device.peakFlops[precision]) / device.processors;
  const bandwidth = device.cacheBandwidth / device.processors;
  const tiled = device.tiles.map(([height, width]) => {
    const tiles = count * Math.ceil(rows / height) * Math.ceil(columns / width);
    const multiplying = (2 * height * width * depth) / flops;
    const loading = (element * (height + width) * depth) / bandwidth;
    const storing = (element * height * width) / bandwidth;
    const waves = Math.ceil(tiles / device.processors);
    return waves * (Math.max(multiplying, loading) + storing + tileLatency);
  });
  const bytes = element * count * (rows * depth + depth * columns + rows * columns);
  return device.launchLatency + Math.max(Math.min(...tiled), bytes / device.memoryBandwidth);
}

/** @returns seconds of an operation that reads and writes so many bytes */
export const passSeconds = (bytes: number, { launchLatency, elementwiseBandwidth }: Device) =>
  launchLatency + bytes / elementwiseBandwidth;

/** @returns seconds */
export function workSeconds({ products, passes }: Work, device: Device, precision: Precision): number {
  return (
    sum(products.map((product) => productSeconds(product, device, precision))) +
    sum(passes.map((bytes) => passSeconds(bytes, device)))
  );
}

export const workFlops = ({ products }: Work) => sum(products.map(productFlops));

export const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
