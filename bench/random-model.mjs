// A model folder with random weights: what a benchmark computes with does not change how long it takes.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { writeSafetensors } from '../dist/checkpoint/safetensors.js';
import { architectures } from '../dist/model/architectures.js';
import { megatronBertConfig } from '../dist/model/config.js';
import { initialValues } from '../dist/model/initial-values.js';
import { flattenParameters } from '../dist/model/parameters.js';

/** The shape of NVIDIA's 345M models, by default without heads. */
export async function writeRandomModel(folder, fields = {}, name = 'MegatronBertModel') {
  if (existsSync(path.join(folder, 'config.json'))) return;
  mkdirSync(folder, { recursive: true });
  const config = megatronBertConfig({ vocab_size: 30592, ...fields });
  const parameters = flattenParameters(architectures[name].parameters(config));
  const entries = parameters.map(([name, parameter]) => ({
    name,
    dtype: 'F32',
    shape: parameter.shape,
    data: () => initialValues(name, parameter, 1),
  }));
  await writeSafetensors(path.join(folder, 'model.safetensors'), entries);
  const written = { ...config, architectures: [name] };
  writeFileSync(path.join(folder, 'config.json'), `${JSON.stringify(written, null, 2)}\n`);
}
