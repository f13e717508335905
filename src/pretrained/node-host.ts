import { availableParallelism } from 'node:os';
import { openEngine } from '../engine/node.js';
import { openModel } from '../hub/open-model.js';
import { textReader } from '../hub/text-files.js';
import type { Host } from './model-source.js';
import { quantizeWeights } from './quantized-weights.js';
import { openRanks } from './ranks/open-ranks.js';
import { savePretrained } from './save-pretrained.js';
import { findWeights } from './stored-weights.js';
import { readValues } from './weight-values.js';

/** Models in folders and on the hub. */
export const nodeHost: Host = {
  async open(name, options) {
    const find = await openModel(name, options);
    return {
      name,
      readText: textReader(find),
      findWeights: () => findWeights(find, name),
      openEngine: async () => openEngine({ threads: options.threads ?? availableParallelism() }),
    };
  },
  readValues,
  quantize: quantizeWeights,
  openRanks,
  save: savePretrained,
};
