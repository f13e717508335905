import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { readSafetensors } from '../../src/checkpoint/safetensors.js';
import { megatronBertConfig, type MegatronBertConfig } from '../../src/model/config.js';

/** A folder of test/fixtures. */
export const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

export const readJson = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'));

export const readGzippedJson = (name: string): unknown =>
  JSON.parse(gunzipSync(readFileSync(fixture(name))).toString());

/** From places in a text as Python counts them, in code points, to JavaScript's. */
export function codePointOffsets(text: string): (place: number) => number {
  // beyond the basic plane a character is two units
  if (!/[\ud800-\udbff]/.test(text)) return (place) => place;
  const starts = [0];
  for (const character of text) starts.push(starts.at(-1)! + character.length);
  return (place) => starts[place]!;
}

/** The random model that transformers saved; its dropout switched off. */
export function tinyConfig(fields: Partial<MegatronBertConfig> = {}): MegatronBertConfig {
  const saved = readJson(fixture('tiny/config.json')) as object;
  return megatronBertConfig({ ...saved, hidden_dropout_prob: 0, attention_probs_dropout_prob: 0, ...fields });
}

export interface NumberTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

/** Every tensor of a safetensors file. */
export async function readTensors(file: string): Promise<Map<string, NumberTensor>> {
  const opened = await readSafetensors(file);
  const tensors = new Map<string, NumberTensor>();
  for (const [name, { shape }] of opened.tensors)
    tensors.set(name, { shape, data: (await opened.read(name)) as Float32Array | Int32Array });
  await opened.close();
  return tensors;
}

/** Rows of a two-dimensional tensor. */
export function toRows({ shape, data }: NumberTensor): number[][] {
  const width = shape[1]!;
  return Array.from({ length: shape[0]! }, (_, row) => [...data.subarray(row * width, (row + 1) * width)]);
}

/** Greatest absolute difference. */
export function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  return Array.from(a).reduce((greatest, x, i) => Math.max(greatest, Math.abs(x - b[i]!)), 0);
}

/** Norm of the difference over the norm of what is expected. */
export function relativeError(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) return Infinity;
  const norm = (numbers: number[]) => Math.sqrt(numbers.reduce((sum, x) => sum + x * x, 0));
  const reference = Array.from(expected);
  return norm(reference.map((x, i) => found[i]! - x)) / norm(reference);
}
