/** Which parameters learn, and how fast. */
import { InputError } from '../errors.js';
import { isLoraParameter, isTarget, type LoraOptions } from '../model/lora.js';
import { isSavedWithAdapter } from '../pretrained/adapter.js';
import type { FinetuneOptions } from './finetune-options.js';

const layerOf = (name: string): number | undefined => {
  const layer = /^(?:bert\.encoder\.layer|transformer\.h)\.(\d+)\./.exec(name)?.[1];
  return layer === undefined ? undefined : Number(layer);
};
const isEmbedding = (name: string) => /^bert\.embeddings\.|^transformer\.wt?pe\./.test(name);
const isHead = (name: string) => /^(?:classifier|qa_outputs|cls)\.|^bert\.pooler\./.test(name);

const moduleOf = (name: string) => name.replace(/\.lora_[AB]\.weight$/, '');

/** @throws InputError where nothing would learn, or what is to be adapted is not there */
export function trainedNames(
  names: readonly string[],
  {
    head_only = false,
    freeze_embeddings = false,
    freeze_layers = 0,
  }: Pick<FinetuneOptions, 'head_only' | 'freeze_embeddings' | 'freeze_layers'>,
  layers: number,
  lora: LoraOptions | undefined,
): Set<string> {
  for (const target of lora?.target_modules ?? [])
    if (!names.some((name) => isLoraParameter(name) && isTarget(moduleOf(name), target)))
      throw new InputError(
        `lora_target_modules: expected names of matrices of the model, such as query or output.dense, found ${target}`,
      );
  if (!Number.isInteger(freeze_layers) || freeze_layers < 0 || freeze_layers > layers)
    throw new InputError(`freeze_layers: expected an integer from 0 to ${layers}, found ${freeze_layers}`);
  const learns = (name: string) => {
    if (lora) return isLoraParameter(name) || isSavedWithAdapter(name);
    if (head_only) return isHead(name);
    if (isEmbedding(name)) return !freeze_embeddings && freeze_layers === 0;
    return (layerOf(name) ?? layers) >= freeze_layers;
  };
  const trained = new Set(names.filter(learns));
  if (trained.size === 0)
    throw new InputError('head_only: expected a model with a head of its own, found none');
  return trained;
}

/** What learning rates are multiplied by: the head's 1, and of what is below it ever less (arXiv 1801.06146). */
export function learningRateScales(
  names: readonly string[],
  decay: number,
  layers: number,
): Map<string, number> {
  if (!(decay > 0 && decay <= 1))
    throw new InputError(`layerwise_lr_decay: expected a number above 0, up to 1, found ${decay}`);
  if (decay === 1) return new Map();
  const depth = (name: string) => (isEmbedding(name) ? layers + 1 : layers - (layerOf(name) ?? layers));
  return new Map(names.map((name) => [name, decay ** depth(name)]));
}
