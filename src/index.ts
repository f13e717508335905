export { InputError } from './errors.js';
export {
  MegatronBertForMaskedLM,
  MegatronBertForPreTraining,
  MegatronBertModel,
} from './pretrained/classes.js';
export type { PretrainedClass } from './pretrained/classes.js';
export type {
  ForwardOptions,
  FromPretrainedOptions,
  ModelInputs,
  PretrainedModel,
  Tensor,
} from './pretrained/pretrained-model.js';
export type { MegatronBertConfig } from './model/config.js';
export { pipeline, type FillMaskPipeline } from './pipelines/pipeline.js';
export type { FilledMask, FillMaskOptions } from './pipelines/fill-mask.js';
export { readDocuments } from './data/corpus.js';
export { trainWordPiece } from './text/wordpiece-trainer.js';
export { createTokenizer, readTokenizer, writeTokenizer, type Tokenizer } from './text/tokenizer.js';
export { pretrain } from './train/pretrain.js';
export type { PretrainOptions, PretrainProgress } from './train/pretrain-options.js';
export type { PretrainSummary } from './train/summary.js';
