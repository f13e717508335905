/** Whole models with other numbers of words, or of another type. */
import type { FloatDtype, WholeModel, WholeTensor } from '../checkpoint/megatron/model.js';
import { wordEmbeddings } from '../checkpoint/megatron/names.js';
import { castBytes } from './numbers.js';

export const floatDtypes = { fp32: 'F32', fp16: 'F16', bf16: 'BF16' } as const;
export type DtypeName = keyof typeof floatDtypes;

export function withDtype(model: WholeModel, dtype: DtypeName): WholeModel {
  const to = floatDtypes[dtype];
  return withTensors(model, (tensor) => ({
    ...tensor,
    dtype: to,
    read: async () => castBytes(await tensor.read(), tensor.dtype, to),
  }));
}

const withTensors = (model: WholeModel, change: (tensor: WholeTensor) => WholeTensor): WholeModel => ({
  ...model,
  tensors: new Map([...model.tensors].map(([name, tensor]) => [name, change(tensor)])),
});

/** With the first rows of the word embeddings and their biases, or the last one repeated, as Megatron-LM's tools do. */
export function withVocabulary(model: WholeModel, rows: number): WholeModel {
  if (rows === model.sizes.vocabulary) return model;
  const tensors = new Map(model.tensors);
  for (const name of [wordEmbeddings, 'lm_head.bias']) {
    const tensor = tensors.get(name);
    if (tensor) tensors.set(name, withRows(tensor, rows));
  }
  return { ...model, tensors, sizes: { ...model.sizes, vocabulary: rows } };
}

function withRows(tensor: WholeTensor, rows: number): WholeTensor {
  const shape = tensor.shape.with(0, rows);
  return {
    ...tensor,
    shape,
    read: async () => {
      const bytes = await tensor.read();
      const changed = new Uint8Array((bytes.byteLength / tensor.shape[0]!) * rows);
      changed.set(bytes.subarray(0, Math.min(bytes.byteLength, changed.byteLength)));
      const rowLength = changed.byteLength / rows;
      for (let at = bytes.byteLength; at < changed.byteLength; at += rowLength)
        changed.copyWithin(at, at - rowLength, at);
      return changed;
    },
  };
}

/** Of all parameters, if they are of one type. */
export function dtypeOf({ tensors }: WholeModel): FloatDtype | undefined {
  const found = new Set([...tensors.values()].map(({ dtype }) => dtype));
  return found.size === 1 ? [...found][0] : undefined;
}

/** Megatron-LM's rule: a multiple of a number times the ranks. */
export const paddedVocabulary = (rows: number, divisibleBy: number, ranks: number) =>
  Math.ceil(rows / (divisibleBy * ranks)) * divisibleBy * ranks;
