import { largestConfig } from '../checkpoint/json-object.js';
import { openEngine, type WeightFile } from '../engine/browser.js';
import { InputError } from '../errors.js';
import type { Host, ModelSource } from '../pretrained/model-source.js';
import type { FromPretrainedOptions } from '../pretrained/options.js';
import { modelAddress } from './model-address.js';
import { openFolder } from './model-folder.js';
import { baseAddress } from './page.js';
import { findWeights, readValues } from './weights.js';

const configFile = 'config.json';

/** Models behind addresses and on the hub. */
export const browserHost: Host = {
  async open(model, options) {
    const source = openSource(model, options);
    // where this is missing, nothing else is asked for
    const config = await source.readText(configFile, largestConfig);
    if (!config) throw new InputError(`not a model folder: there is no ${source.name}/${configFile}`);
    return {
      ...source,
      readText: async (name, largest) => (name === configFile ? config : source.readText(name, largest)),
    };
  },
  readValues,
  async quantize() {
    throw noQuantization();
  },
  async openRanks() {
    throw new InputError('a page computes with one rank: expected parallel sizes of 1');
  },
  async save() {
    throw new InputError('save_pretrained: a page has no folders to write into');
  },
};

const noQuantization = () => new InputError("dtype: expected 'fp32' in a page, found 'int8'");

export function openSource(model: string, options: FromPretrainedOptions): ModelSource {
  if (options.token !== undefined)
    throw new InputError('token: expected none, as who sees a page sees its tokens; use a public model');
  if (options.dtype === 'int8') throw noQuantization();
  const folder = openFolder(modelAddress(model, baseAddress(), options.revision), model, options);
  const files = new Map<string, WeightFile>();
  const onFile = (file: WeightFile) => files.set(file.path, file);
  // a model may be loaded twice, with a pooler and without
  let weights: ReturnType<typeof findWeights> | undefined;
  return {
    name: folder.address.slice(0, -1),
    async readText(name, largest) {
      const content = await folder.read(name, largest);
      return content && { file: `${folder.address}${name}`, text: new TextDecoder().decode(content) };
    },
    findWeights: () => (weights ??= findWeights(folder, onFile)),
    openEngine: () =>
      openEngine({
        threads: options.threads,
        filesIn: () => [...files.values()],
        warn: options.warn ?? console.warn,
      }),
  };
}
