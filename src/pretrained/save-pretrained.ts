import { mkdir, realpath, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { FloatWeight } from '../engine/engine.js';
import { InputError } from '../errors.js';
import type { TransformerConfig } from '../model/config.js';
import { gpt2Fields, type Gpt2Config } from '../model/gpt2-config.js';
import { largestShard, writeModelFiles, type SizedEntry } from './model-files.js';
import { modelParameters, type LoadedModel } from './model.js';
import { readStored } from './weight-values.js';

export interface SaveOptions {
  /** Bytes; larger models become several files. 5 GB by default. */
  readonly max_shard_size?: number;
}

/**
 * Writes a model folder that transformers loads: `config.json` and the weights, tied ones once, in the type in which
 * they were stored.
 *
 * @throws InputError where the folder is the one that the weights are read from
 */
export async function savePretrained(
  model: LoadedModel,
  folder: string,
  { max_shard_size = largestShard }: SaveOptions = {},
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await requireOtherFolder(model, folder);
  const entries = [...modelParameters(model)].map(([name, { shape }]) =>
    toEntry(name, shape, model.weights.get(name)!),
  );
  await writeModelFiles(folder, entries, max_shard_size);
  await writeFile(path.join(folder, 'config.json'), configJson(model.config, model.architecture));
}

async function requireOtherFolder({ weights }: LoadedModel, folder: string): Promise<void> {
  const target = await realpath(folder);
  for (const weight of weights.values())
    if ('folder' in weight && weight.folder === target)
      throw new InputError(
        `${folder}: the model's weights are read from this folder; save it in another one`,
      );
}

const dtypes = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' } as const;

function toEntry(name: string, shape: readonly number[], weight: FloatWeight): SizedEntry {
  const { type } = weight;
  const items = shape.reduce((product, size) => product * size, 1);
  return {
    name,
    dtype: dtypes[type],
    shape,
    byteLength: items * (type === 'float32' ? 4 : 2),
    data: async () => {
      const { buffer, byteOffset } = await readStored(weight);
      const values = type === 'float32' ? Float32Array : Uint16Array;
      return new values(buffer as ArrayBuffer, byteOffset, items);
    },
  };
}

/** As transformers writes it: keys sorted, labels only where they have names. */
export function configJson(config: TransformerConfig, architecture: string): string {
  const isNamed = JSON.stringify(Object.values(config.id2label)) !== '["LABEL_0","LABEL_1"]';
  const omitted = ['num_labels', ...(isNamed ? [] : ['id2label', 'label2id'])];
  const own = config.model_type === 'gpt2' ? gpt2Fields(config as Gpt2Config) : config;
  const fields = Object.entries({ ...own, architectures: [architecture] });
  const written = fields.filter(([name]) => !omitted.includes(name));
  const sorted = Object.fromEntries(written.sort(([a], [b]) => (a < b ? -1 : 1)));
  return `${JSON.stringify(sorted, null, 2)}\n`;
}
