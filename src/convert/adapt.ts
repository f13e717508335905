/** Whole models with other numbers of words, or of another type. */
import { numberOf } from '../checkpoint/megatron/arguments.js';
import type { FloatDtype, WholeModel, WholeTensor } from '../checkpoint/megatron/model.js';
import { wordEmbeddings, type MegatronName } from '../checkpoint/megatron/names.js';
import { castBytes } from './numbers.js';

export const floatDtypes = { fp32: 'F32', fp16: 'F16', bf16: 'BF16' } as const;
export type DtypeName = keyof typeof floatDtypes;

/** Of a 16-bit model in training the weights are also there in fp32, and these are what is cast then. */
export function withDtype(model: WholeModel, dtype: DtypeName): WholeModel {
  const to = floatDtypes[dtype];
  const exact = model.training?.master ?? model.tensors;
  const cast = mapValues(exact, (tensor) => ({
    ...tensor,
    dtype: to,
    read: async () => castBytes(await tensor.read(), tensor.dtype, to),
  }));
  const { training } = model;
  return {
    ...model,
    tensors: cast,
    ...(training && { training: { ...training, master: to === 'F32' ? undefined : exact } }),
  };
}

const mapValues = <Key, Value>(map: ReadonlyMap<Key, Value>, change: (value: Value, key: Key) => Value) =>
  new Map([...map].map(([key, value]) => [key, change(value, key)]));

/** With the first rows of the word embeddings and their biases, or the last one repeated, as Megatron-LM's tools do. */
export function withVocabulary(model: WholeModel, rows: number): WholeModel {
  if (rows === model.sizes.vocabulary) return model;
  const resized = (tensors: ReadonlyMap<MegatronName, WholeTensor>) =>
    mapValues(tensors, (tensor, name) =>
      name === wordEmbeddings || name === 'lm_head.bias' ? withRows(tensor, rows) : tensor,
    );
  const { training } = model;
  return {
    ...model,
    tensors: resized(model.tensors),
    ...(training && {
      training: {
        ...training,
        exp_avg: resized(training.exp_avg),
        exp_avg_sq: resized(training.exp_avg_sq),
        master: training.master && resized(training.master),
      },
    }),
    sizes: { ...model.sizes, vocabulary: rows },
  };
}

function withRows(tensor: WholeTensor, rows: number): WholeTensor {
  const shape = tensor.shape.with(0, rows);
  return {
    ...tensor,
    shape,
    read: async () => {
      const bytes = await tensor.read();
      if (rows <= tensor.shape[0]!) return bytes.subarray(0, (bytes.byteLength / tensor.shape[0]!) * rows);
      const changed = new Uint8Array((bytes.byteLength / tensor.shape[0]!) * rows);
      changed.set(bytes);
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

/** Rows of the word embeddings that are no padding, where the checkpoint says something that can be so. */
export function wordsOf({ arguments: args, sizes: { vocabulary } }: WholeModel): number {
  const told = numberOf(args, 'vocab_size');
  return Number.isSafeInteger(told) && told! >= 1 && told! <= vocabulary ? told! : vocabulary;
}

/** Megatron-LM's rule: a multiple of a number times the ranks. */
export const paddedVocabulary = (rows: number, divisibleBy: number, ranks: number) =>
  Math.ceil(rows / (divisibleBy * ranks)) * divisibleBy * ranks;
