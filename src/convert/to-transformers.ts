/** Whole models as transformers stores them. */
import type { WholeModel, WholeTensor } from '../checkpoint/megatron/model.js';
import { tokenTypeEmbeddings, wordEmbeddings, type MegatronName } from '../checkpoint/megatron/names.js';
import { inFileOrder } from '../checkpoint/megatron/write.js';
import type { SizedEntry } from '../pretrained/model-files.js';
import { bertNames, gpt2Name, isTransposed } from './names.js';
import { bitsOf, transposed } from './numbers.js';

/** Parameters in the order in which they lie in the source, so that it is read forwards. */
export function transformersEntries(model: WholeModel): SizedEntry[] {
  const read = rememberingLast();
  const entries = inFileOrder(model.tensors).flatMap(([name, tensor]) =>
    model.kind === 'bert' ? bertEntries(name, tensor, read) : [gpt2Entry(name, tensor, read)],
  );
  const lacksTypes = model.kind === 'bert' && !model.tensors.has(tokenTypeEmbeddings);
  return lacksTypes ? [...entries, zeroTokenTypes(model.tensors.get(wordEmbeddings)!)] : entries;
}

type Read = (tensor: WholeTensor) => Promise<Uint8Array>;

/** Queries, keys and values are three parameters of what is read once. */
function rememberingLast(): Read {
  let last: { readonly tensor: WholeTensor; readonly bytes: Uint8Array } | undefined;
  return async (tensor) => {
    if (last?.tensor !== tensor) {
      last = undefined;
      last = { tensor, bytes: await tensor.read() };
    }
    return last.bytes;
  };
}

function bertEntries(name: MegatronName, tensor: WholeTensor, read: Read): SizedEntry[] {
  const names = bertNames(name);
  const { dtype } = tensor;
  const shape = tensor.shape.with(0, tensor.shape[0]! / names.length);
  const byteLength = byteLengthOf(dtype, shape);
  return names.map((entry, i) => ({
    name: entry,
    dtype,
    shape,
    byteLength,
    data: async () => bitsOf((await read(tensor)).subarray(i * byteLength, (i + 1) * byteLength), dtype),
  }));
}

function gpt2Entry(name: MegatronName, tensor: WholeTensor, read: Read): SizedEntry {
  const { dtype, shape } = tensor;
  const isTurned = isTransposed(name);
  return {
    name: gpt2Name(name)!,
    dtype,
    shape: isTurned ? [...shape].reverse() : shape,
    byteLength: byteLengthOf(dtype, shape),
    data: async () => {
      const bytes = await read(tensor);
      return bitsOf(isTurned ? transposed(bytes, shape, dtype) : bytes, dtype);
    },
  };
}

/** MegatronBERT adds the embedding of a token's type always; of a model trained without, it is nothing. */
function zeroTokenTypes({ dtype, shape: [, hiddenSize] }: WholeTensor): SizedEntry {
  const shape = [2, hiddenSize!];
  const byteLength = byteLengthOf(dtype, shape);
  return {
    name: bertNames(tokenTypeEmbeddings)[0]!,
    dtype,
    shape,
    byteLength,
    data: () => bitsOf(new Uint8Array(byteLength), dtype),
  };
}

const byteLengthOf = (dtype: string, shape: readonly number[]) =>
  shape.reduce((product, size) => product * size, dtype === 'F32' ? 4 : 2);
