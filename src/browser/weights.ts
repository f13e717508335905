/** The weights of a model behind an address. */
import { parseJsonObject } from '../checkpoint/json-object.js';
import { headerByteLength, parseHeader, prefixByteLength } from '../checkpoint/safetensors-header.js';
import type { WeightFile } from '../engine/browser.js';
import type { FilePlace, FloatWeight } from '../engine/engine.js';
import { InputError } from '../errors.js';
import type { StoredWeight, StoredWeights } from '../pretrained/model-source.js';
import { gatherShards, largestIndex, weightMapOf, weightType } from '../pretrained/weight-files.js';
import { widened } from '../pretrained/widened.js';
import type { ModelFolder } from './model-folder.js';

/** Of a file of weights: WebAssembly can address so many bytes. */
const largestFile = 2 ** 32;

const decoder = new TextDecoder();
const fileName = 'model.safetensors';

/** Where the bytes of weights are. */
const contents = new WeakMap<FilePlace, Uint8Array>();

/**
 * A model's weights in `model.safetensors`, or in several files and their index.
 *
 * @param onFile is told of every file
 * @throws InputError where there are none, or a file is not as its format wants it
 */
export async function findWeights(
  folder: ModelFolder,
  onFile: (file: WeightFile) => void,
): Promise<StoredWeights> {
  const find = async (path: string): Promise<WeightFile | undefined> => {
    const data = await folder.readAndKeep(path, largestFile);
    return data && { path, data };
  };
  const read = async (file: WeightFile) => {
    onFile(file);
    return readWeights(folder.address, file);
  };
  const whole = await find(fileName);
  if (whole) return read(whole);
  const indexFile = `${folder.address}${fileName}.index.json`;
  const index = await folder.read(`${fileName}.index.json`, largestIndex);
  if (!index)
    throw new InputError(
      `${folder.address}: no weights: expected ${fileName} or ${fileName}.index.json. ` +
        'A page does not read pytorch_model.bin: convert such a folder before (npx megatron-bert convert).',
    );
  const weightMap = weightMapOf(indexFile, parseJsonObject(indexFile, decoder.decode(index)));
  return gatherShards(indexFile, weightMap, find, read);
}

function readWeights(folder: string, { path: file, data }: WeightFile): StoredWeights {
  const path = `${folder}${file}`;
  const headerLength = headerByteLength(path, data.subarray(0, prefixByteLength), data.length);
  const header = data.subarray(prefixByteLength, prefixByteLength + headerLength);
  const weights = new Map<string, StoredWeight>();
  for (const [name, tensor] of parseHeader(path, header, data.length).tensors) {
    const { dtype, shape, offset, byteLength } = tensor;
    const type = weightType(dtype);
    const weight = type && { type, folder, file, offset, byteLength };
    if (weight) contents.set(weight, data);
    weights.set(name, { shape, dtype, weight, path });
  }
  return weights;
}

/** A weight's values, widened where they are stored in 16 bits. */
export async function readValues(weight: FloatWeight): Promise<Float32Array> {
  if ('data' in weight) return weight.data;
  const { offset, byteLength, type } = weight;
  return widened(contents.get(weight)!.subarray(offset, offset + byteLength), type);
}
