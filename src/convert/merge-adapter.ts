/** A model folder of an adapter and the model that it adapts. */
import { copyFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { isFloat } from '../checkpoint/megatron/model.js';
import { elementsOf } from '../checkpoint/torch/tensor.js';
import { InputError } from '../errors.js';
import type { FindFile } from '../hub/repository.js';
import { describeFiles, writeModelFiles, type SizedEntry } from '../pretrained/model-files.js';
import type { StoredWeight } from '../pretrained/model-source.js';
import { findWeights } from '../pretrained/stored-weights.js';
import { readStored } from '../pretrained/weight-values.js';
import { floatDtypes } from './adapt.js';
import { dtypeNames, type ConfigFields } from './config.js';
import { bitsOf, castBytes } from './numbers.js';
import type { ConvertOptions, ConvertSummary } from './options.js';

/** What a folder has beside its weights and its configuration. */
const tokenizerFiles = [
  ...['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', 'added_tokens.json'],
  ...['vocab.txt', 'vocab.json', 'merges.txt'],
];

/**
 * Numbers have the types in which they are stored, those that the adapter changes fp32, where none is asked for.
 *
 * @param find the files of both, whose configuration is `config`
 * @throws InputError where one lacks something, or they do not go together
 */
export async function mergeAdapterFolder(
  source: string,
  { find, config }: { readonly find: FindFile; readonly config: ConfigFields },
  folder: string,
  { dtype, onProgress }: ConvertOptions,
): Promise<Omit<ConvertSummary, 'source' | 'destination' | 'from' | 'seconds'>> {
  const weights = [...(await findWeights(find, source))].map(([name, weight]) =>
    toEntry(name, weight, dtype),
  );
  const total = weights.reduce((sum, { byteLength }) => sum + byteLength, 0);
  let done = 0;
  const entries = weights.map(({ data, ...entry }): SizedEntry => ({
    ...entry,
    data: async () => {
      onProgress?.({ done: (done += entry.byteLength), total });
      return data();
    },
  }));
  const files = await writeModelFiles(folder, entries);
  const dtypes = [...new Set(entries.map((entry) => entry.dtype))];
  const torch_dtype = dtypes.length === 1 ? dtypeNames[dtypes[0] as keyof typeof dtypeNames] : 'float32';
  await writeFile(
    path.join(folder, 'config.json'),
    `${JSON.stringify({ ...config, torch_dtype }, null, 2)}\n`,
  );
  const copied: string[] = [];
  for (const name of tokenizerFiles) {
    const file = await find(name);
    if (file === undefined) continue;
    await copyFile(file, path.join(folder, name));
    copied.push(name);
  }
  return {
    to: 'a whole model',
    model_type: String(config.model_type),
    parameters: entries.reduce((sum, { shape }) => sum + elementsOf(shape), 0),
    dtype: dtypes.join(', '),
    files: [...files, ...(await describeFiles(folder, ['config.json', ...copied]))],
    notes: [],
  };
}

function toEntry(
  name: string,
  { shape, dtype: from, weight, path: file }: StoredWeight,
  dtype: ConvertOptions['dtype'],
) {
  if (!weight || !isFloat(from))
    throw new InputError(`${file}: ${name}: expected F32, F16 or BF16, found ${from}`);
  const to = dtype === undefined ? from : floatDtypes[dtype];
  return {
    ...{ name, shape, dtype: to },
    byteLength: elementsOf(shape) * (to === 'F32' ? 4 : 2),
    data: async () => bitsOf(castBytes(await readStored(weight), from, to), to),
  };
}
