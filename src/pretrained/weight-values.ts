import { open } from 'node:fs/promises';
import path from 'node:path';
import { readFully } from '../checkpoint/file-bytes.js';
import type { FilePlace, FloatWeight } from '../engine/engine.js';
import { InputError } from '../errors.js';
import { partOf, type PartLayout } from '../partition.js';
import { widenInPlace } from './widened.js';

/** A weight's bytes as they are stored. @throws InputError when its file has become shorter */
export async function readStored(weight: FloatWeight): Promise<Uint8Array> {
  if ('data' in weight) {
    const { buffer, byteOffset, byteLength } = weight.data;
    return new Uint8Array(buffer, byteOffset, byteLength);
  }
  const bytes = new Uint8Array(weight.byteLength);
  await readPart(weight, bytes);
  return bytes;
}

/** A weight's values, widened where they are stored in 16 bits. */
export async function readValues(weight: FloatWeight): Promise<Float32Array> {
  if ('data' in weight) return weight.data;
  const is32Bit = weight.type === 'float32';
  const values = new Float32Array(weight.byteLength / (is32Bit ? 4 : 2));
  // 16-bit values go to the array's end, and are widened in place from its start
  await readPart(weight, new Uint8Array(values.buffer, is32Bit ? 0 : weight.byteLength));
  widenInPlace(values, weight.type);
  return values;
}

/** A part of a weight, where that is in a file and lies there in one piece. */
export function placeOfPart(
  weight: FloatWeight,
  { outer, run, start }: PartLayout,
): (FloatWeight & FilePlace) | undefined {
  if ('data' in weight || outer > 1) return undefined;
  const itemSize = weight.type === 'float32' ? 4 : 2;
  return { ...weight, offset: weight.offset + start * itemSize, byteLength: run * itemSize };
}

/** A part of a weight's values; where it lies in one piece, nothing else is read. */
export async function readPartOfValues(weight: FloatWeight, layout: PartLayout): Promise<Float32Array> {
  const place = placeOfPart(weight, layout);
  return place ? readValues(place) : partOf(await readValues(weight), layout);
}

async function readPart(weight: FilePlace, target: Uint8Array): Promise<void> {
  const name = path.join(weight.folder, weight.file);
  const file = await open(name, 'r');
  try {
    if ((await readFully(file, target, weight.offset)) < target.byteLength)
      throw new InputError(`${name}: the file has become shorter since it was opened`);
  } finally {
    await file.close();
  }
}
