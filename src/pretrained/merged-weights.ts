/** The weights of an adapted model as those of a plain one. */
import type { FloatWeight } from '../engine/engine.js';
import { InputError } from '../errors.js';
import { sameShape } from '../graph/value.js';
import { isLoraParameter, type LoraOptions } from '../model/lora.js';
import { adapterPrefix } from './adapter.js';
import type { StoredWeight, StoredWeights } from './model-source.js';
import { storedNames } from './model-weights.js';
import { readValues } from './weight-values.js';

/**
 * W + α/r · B A for each matrix that is adapted, and in its place what was trained as a whole.
 *
 * @throws InputError naming what the adapter lacks, or has of another shape
 */
export async function mergeAdapter(
  base: StoredWeights,
  adapter: StoredWeights,
  lora: LoraOptions,
): Promise<StoredWeights> {
  const merged = new Map(base);
  for (const [stored, weight] of adapter) {
    if (!stored.startsWith(adapterPrefix))
      throw new InputError(
        `${weight.path}: expected names that begin with ${adapterPrefix}, found ${stored}`,
      );
    const name = stored.slice(adapterPrefix.length);
    if (!isLoraParameter(name)) {
      const data = await valuesOf(weight, weight.shape);
      merged.set(storedAs(name, base) ?? name, held(weight, data));
      continue;
    }
    if (name.endsWith('.lora_B.weight')) continue;
    const module = name.replace(/\.lora_A\.weight$/, '');
    const adapted = storedAs(`${module}.weight`, base);
    const lowered = adapter.get(`${adapterPrefix}${module}.lora_B.weight`);
    if (adapted === undefined)
      throw new InputError(`${weight.path}: ${stored}: expected a ${module} in the model, found none`);
    if (!lowered)
      throw new InputError(`${weight.path}: ${module}: expected a lora_B beside its lora_A, found none`);
    merged.set(adapted, await withLowRank(base.get(adapted)!, weight, lowered, lora));
  }
  return merged;
}

const storedAs = (name: string, base: StoredWeights) =>
  storedNames(name).find((candidate) => base.has(candidate));

/** @param A [r, in] @param B [out, r] */
async function withLowRank(
  whole: StoredWeight,
  A: StoredWeight,
  B: StoredWeight,
  { r, lora_alpha }: LoraOptions,
): Promise<StoredWeight> {
  const [outputs, inputs] = whole.shape as [number, number];
  const [W, a, b] = [
    Float32Array.from(await valuesOf(whole, [outputs, inputs])),
    await valuesOf(A, [r, inputs]),
    await valuesOf(B, [outputs, r]),
  ];
  for (let output = 0; output < outputs; output++) {
    const row = W.subarray(output * inputs, (output + 1) * inputs);
    for (let rank = 0; rank < r; rank++) {
      const scale = (lora_alpha / r) * b[output * r + rank]!;
      const direction = a.subarray(rank * inputs, (rank + 1) * inputs);
      for (let input = 0; input < inputs; input++) row[input]! += scale * direction[input]!;
    }
  }
  return held(whole, W);
}

/** An engine maps the files of one folder, and the adapter is in another: what is of it is held in memory. */
const held = ({ shape, path }: StoredWeight, data: Float32Array): StoredWeight => ({
  ...{ shape, path, dtype: 'F32' },
  weight: { type: 'float32', data },
});

function valuesOf(
  { shape, dtype, weight, path }: StoredWeight,
  expected: readonly number[],
): Promise<Float32Array> {
  const isFitting = (weight: FloatWeight | undefined): weight is FloatWeight =>
    weight !== undefined && sameShape(shape, expected);
  if (!isFitting(weight))
    throw new InputError(
      `${path}: expected numbers [${expected.join(', ')}], found ${dtype} [${shape.join(', ')}]`,
    );
  return readValues(weight);
}
