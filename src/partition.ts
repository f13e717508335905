/** Tensors cut into equal parts along one axis, row-major. */
import { sizeOf, type KnownShape } from './graph/value.js';

/** Element o · run + i of the part is element o · stride + start + i of the whole, for o < outer and i < run. */
export interface PartLayout {
  readonly outer: number;
  readonly run: number;
  readonly stride: number;
  readonly start: number;
}

/**
 * Part `index` of `parts` along `axis`; without an axis, the whole.
 *
 * @param sections equal sections of that axis, of each of which the part has its part
 */
export function partLayout(
  shape: KnownShape,
  axis: number | undefined,
  parts: number,
  index: number,
  sections = 1,
): PartLayout {
  if (axis === undefined) return partLayout(shape, 0, 1, 0);
  const stride = sizeOf(shape.slice(axis)) / sections;
  const run = stride / parts;
  return { outer: sizeOf(shape.slice(0, axis)) * sections, run, stride, start: index * run };
}

/** A tensor, and how ranks share it; each has all of it where there is no partition. */
export interface Partitioned {
  readonly shape: KnownShape;
  /** The axis along which they hold equal parts. */
  readonly partition?: number;
  /** Equal sections of that axis, each of which is split so: queries, keys and values in one matrix. */
  readonly sections?: number;
}

export const layoutOf = ({ shape, partition, sections }: Partitioned, ranks: number, rank: number) =>
  partLayout(shape, partition, ranks, rank, sections);

export function takePart(
  whole: Float32Array,
  { outer, run, stride, start }: PartLayout,
  part: Float32Array,
): void {
  for (let o = 0; o < outer; o++) {
    const from = o * stride + start;
    part.set(whole.subarray(from, from + run), o * run);
  }
}

/** The same as numbers of their own. */
export function partOf(whole: Float32Array, layout: PartLayout): Float32Array {
  const part = new Float32Array(layout.outer * layout.run);
  takePart(whole, layout, part);
  return part;
}

export function placePart(
  part: Float32Array,
  { outer, run, stride, start }: PartLayout,
  whole: Float32Array,
): void {
  for (let o = 0; o < outer; o++) whole.set(part.subarray(o * run, (o + 1) * run), o * stride + start);
}
