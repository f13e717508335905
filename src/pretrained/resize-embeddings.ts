import type { FloatWeight } from '../engine/engine.js';
import { InputError } from '../errors.js';
import { modelParameters, releasePrograms, type LoadedModel } from './model.js';

/** Everything that has a row for each token. */
export const vocabularyWeights =
  /(^|\.)(embeddings\.word_embeddings|wte)\.weight$|^cls\.predictions\.(bias|decoder\.weight)$|^lm_head\.weight$/;

/**
 * Gives the vocabulary another size: the first rows stay, and each new one is the mean of the old (transformers
 * draws them closely around it).
 *
 * @throws InputError for a size that is no positive integer
 */
export async function resizeTokenEmbeddings(model: LoadedModel, size: number, multiple = 1): Promise<void> {
  if (!Number.isSafeInteger(size) || size < 1 || !Number.isSafeInteger(multiple) || multiple < 1)
    throw new InputError(`expected a positive number of tokens and multiple, found ${size} and ${multiple}`);
  if (model.isDivided)
    throw new InputError(
      'a model that several ranks hold keeps its vocabulary: resize it on one, and save it',
    );
  const rows = Math.ceil(size / multiple) * multiple;
  const resized: [string, FloatWeight][] = [];
  for (const [name, { shape }] of modelParameters(model))
    if (vocabularyWeights.test(name))
      resized.push([
        name,
        {
          type: 'float32',
          data: resizeRows(await model.readValues(model.weights.get(name)!), shape[0]!, rows),
        },
      ]);
  await releasePrograms(model);
  for (const [name, weight] of resized) {
    model.weights.set(name, weight);
    model.quantized.delete(name);
  }
  model.config = { ...model.config, vocab_size: rows };
}

/** The first rows as they are, and new ones that are their mean. */
export function resizeRows(values: Float32Array, before: number, after: number): Float32Array {
  const width = values.length / before;
  const resized = new Float32Array(after * width);
  resized.set(values.subarray(0, Math.min(before, after) * width));
  if (after <= before) return resized;
  const mean = new Float64Array(width);
  values.forEach((value, i) => (mean[i % width]! += value / before));
  for (let row = before; row < after; row++) resized.set(mean, row * width);
  return resized;
}
