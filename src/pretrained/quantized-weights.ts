/** Weights in 8 bits: made once from a model's weights, and kept in a file beside them. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { readSafetensors, writeSafetensors, type SafetensorsEntry } from '../checkpoint/safetensors.js';
import type { FloatWeight, Int8Weight } from '../engine/engine.js';
import { InputError } from '../errors.js';
import type { Parameter } from '../model/parameters.js';
import { readValues } from './weight-values.js';

export interface Int8Matrix {
  /** [in, out] */
  readonly values: Int8Array;
  /** [out] */
  readonly scales: Float32Array;
}

/** The matrices that a token passes through: those of the layers, and the vocabulary where it is scored. */
const isQuantized = (name: string, all: ReadonlyMap<string, unknown>): boolean =>
  /\.layer\.\d+\..*(dense|query|key|value)\.weight$/.test(name) ||
  name === 'cls.predictions.decoder.weight' ||
  (name === 'bert.embeddings.word_embeddings.weight' && all.has('cls.predictions.bias'));

/**
 * @param warn is told where the file cannot be kept
 * @throws InputError for weights that do not lie in files
 */
export async function quantizeWeights(
  declared: ReadonlyMap<string, Parameter>,
  weights: ReadonlyMap<string, FloatWeight>,
  warn: (message: string) => void,
): Promise<Map<string, Int8Weight>> {
  const chosen = [...declared].filter(([name]) => isQuantized(name, declared));
  if (chosen.length === 0) throw new InputError("dtype: expected 'fp32' for GPT-2, found 'int8'");
  const first = weights.get(chosen[0]![0])!;
  if (!('folder' in first)) throw new InputError("dtype 'int8' needs weights that lie in a file");
  const file = path.join(first.folder, first.file.replace(/(\.safetensors|\.bin)?$/, '.int8.safetensors'));
  const origin = await originOf(chosen.map(([name]) => weights.get(name)!));
  const known = await readQuantized(file, origin, chosen, weights);
  if (known) return known;

  const entries = chosen.flatMap(([name, { shape }]) => quantizedEntries(name, shape, weights.get(name)!));
  try {
    await writeSafetensors(file, entries, { origin });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    warn(`the 8-bit weights are made anew each time: ${error.message}`);
    return inMemory(chosen, weights);
  }
  return (await readQuantized(file, origin, chosen, weights))!;
}

/** Tells whether the weights are those that were quantized. */
async function originOf(weights: readonly FloatWeight[]): Promise<string> {
  const files = new Set(
    weights.flatMap((weight) => ('folder' in weight ? [path.join(weight.folder, weight.file)] : [])),
  );
  const signs = [...files].map(async (file) => {
    const { size, mtimeMs } = await stat(file);
    return `${path.basename(file)} ${size} ${mtimeMs}`;
  });
  return [...(await Promise.all(signs)), `up to ${greatestValue}`].join();
}

async function readQuantized(
  file: string,
  origin: string,
  chosen: readonly (readonly [string, Parameter])[],
  weights: ReadonlyMap<string, FloatWeight>,
): Promise<Map<string, Int8Weight> | undefined> {
  const opened = await readSafetensors(file).catch(() => undefined);
  await opened?.close();
  if (opened?.metadata.get('origin') !== origin) return undefined;
  const [folder, base] = [path.dirname(file), path.basename(file)];
  const found = new Map<string, Int8Weight>();
  for (const [name] of chosen) {
    const [values, scales] = [opened.tensors.get(name), opened.tensors.get(`${name}.scales`)];
    if (!values || !scales) return undefined;
    found.set(name, {
      type: 'int8',
      values: { folder, file: base, offset: values.offset, byteLength: values.byteLength },
      scales: { folder, file: base, offset: scales.offset, byteLength: scales.byteLength },
      full: weights.get(name)!,
    });
  }
  return found;
}

function quantizedEntries(name: string, shape: readonly number[], weight: FloatWeight): SafetensorsEntry[] {
  const [outputs, inputs] = shape as [number, number];
  let matrix: Promise<Int8Matrix> | undefined;
  const quantized = () =>
    (matrix ??= readValues(weight).then((values) => quantizeRows(values, outputs, inputs)));
  return [
    // scales are written first, being of the larger type
    { name: `${name}.scales`, dtype: 'F32', shape: [outputs], data: async () => (await quantized()).scales },
    {
      name,
      dtype: 'I8',
      shape: [inputs, outputs],
      data: async () => {
        const { values } = await quantized();
        matrix = undefined;
        return values;
      },
    },
  ];
}

async function inMemory(
  chosen: readonly (readonly [string, Parameter])[],
  weights: ReadonlyMap<string, FloatWeight>,
): Promise<Map<string, Int8Weight>> {
  const found = new Map<string, Int8Weight>();
  for (const [name, { shape }] of chosen) {
    const full = weights.get(name)!;
    const { values, scales } = quantizeRows(await readValues(full), shape[0]!, shape[1]!);
    found.set(name, { type: 'int8', values: { data: values }, scales: { data: scales }, full });
  }
  return found;
}

/**
 * Processors without instructions for it (VNNI) add two products of an activation, up to 255, and a weight in 16 bits:
 * with greater weights the sum would not fit, and be cut.
 */
const greatestValue = 63;

/** w [out, in] → values [in, out] and scales [out]: the greatest of each row is 63. */
export function quantizeRows(weights: Float32Array, outputs: number, inputs: number): Int8Matrix {
  const values = new Int8Array(weights.length);
  const scales = new Float32Array(outputs);
  for (let row = 0; row < outputs; row++) {
    const start = row * inputs;
    let greatest = 0;
    for (let i = 0; i < inputs; i++) greatest = Math.max(greatest, Math.abs(weights[start + i]!));
    scales[row] = greatest / greatestValue;
  }
  // in tiles, which stay in the cache while they are turned
  const tile = 64;
  for (let firstRow = 0; firstRow < outputs; firstRow += tile)
    for (let first = 0; first < inputs; first += tile)
      for (let row = firstRow; row < Math.min(firstRow + tile, outputs); row++) {
        const inverse = scales[row]! > 0 ? 1 / scales[row]! : 0;
        for (let i = first; i < Math.min(first + tile, inputs); i++)
          values[i * outputs + row] = Math.round(weights[row * inputs + i]! * inverse);
      }
  return { values, scales };
}
