/** transformers' classes, by its names. */
import type { ArchitectureName } from '../model/architectures.js';
import { loadPretrained, type FromPretrainedOptions, type PretrainedModel } from './pretrained-model.js';

export interface PretrainedClass {
  /**
   * Loads a model folder.
   * @param folder holds `config.json` and `model.safetensors`
   * @throws InputError naming the file, and what in it is missing or of another shape
   */
  from_pretrained(folder: string, options?: FromPretrainedOptions): Promise<PretrainedModel>;
}

const pretrainedClass = (architecture: ArchitectureName): PretrainedClass => ({
  from_pretrained: (folder, options) => loadPretrained(architecture, folder, options),
});

export const MegatronBertModel = pretrainedClass('MegatronBertModel');
export const MegatronBertForMaskedLM = pretrainedClass('MegatronBertForMaskedLM');
export const MegatronBertForPreTraining = pretrainedClass('MegatronBertForPreTraining');
