import { sizeOf } from '../graph/value.js';
import type { Tensor } from '../pretrained/tensors.js';
import type { Features } from './feature-extraction.js';

type Nested = number | Nested[];

/** As transformers.js gives it. */
export interface FeatureTensor extends Tensor {
  /** Lists in lists, as `dims` says. */
  tolist(): Nested[];
}

/** Of several texts, [texts, tokens, hidden] or [texts, hidden]: fewer tokens than the most are followed by zeros. */
export function toFeatureTensor(texts: readonly Features[]): FeatureTensor {
  const [first] = texts;
  const rest = texts.reduce(
    (most, { dims }) => most.map((length, axis) => Math.max(length, dims[axis]!)),
    first?.dims ?? [],
  );
  const size = sizeOf(rest);
  const data = new Float32Array(texts.length * size);
  texts.forEach((text, i) => {
    data.set(text.data, i * size);
  });
  const dims = [texts.length, ...rest];
  return { type: 'float32', dims, data, tolist: () => nest(data, dims) };
}

function nest(data: Float32Array, [length = 0, ...rest]: readonly number[]): Nested[] {
  if (rest.length === 0) return Array.from(data);
  const size = data.length / length;
  return Array.from({ length }, (_, i) => nest(data.subarray(i * size, (i + 1) * size), rest));
}
