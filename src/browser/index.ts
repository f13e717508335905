/** The package in a web page. */
import { modelClasses } from '../pretrained/model-classes.js';
import type { FromPretrainedOptions } from '../pretrained/options.js';
import { createPipeline } from '../pipelines/pipeline.js';
import { parseTokenizer } from '../text/tokenizer-json.js';
import type { Tokenizer } from '../text/tokenizer.js';
import { browserHost, openSource } from './host.js';

/** Pipelines over models behind addresses and on the hub. */
export const pipeline = createPipeline(browserHost);

export const {
  MegatronBertModel,
  MegatronBertForPreTraining,
  MegatronBertForMaskedLM,
  MegatronBertForCausalLM,
  MegatronBertForNextSentencePrediction,
  MegatronBertForSequenceClassification,
  MegatronBertForMultipleChoice,
  MegatronBertForTokenClassification,
  MegatronBertForQuestionAnswering,
  GPT2Model,
  GPT2LMHeadModel,
  GPT2ForSequenceClassification,
} = modelClasses(browserHost);

/**
 * Reads `tokenizer.json`, or else `vocab.txt`.
 *
 * @param model the address of a folder, or the name of a model on the hub
 * @throws InputError naming the file and what is wrong in it
 */
export const readTokenizer = async (
  model: string,
  options: FromPretrainedOptions = {},
): Promise<Tokenizer> => {
  const source = openSource(model, options);
  return parseTokenizer(source.readText, source.name);
};

export { findDevice, type BrowserDevice } from '../engine/browser.js';
export { InputError } from '../errors.js';
export { createTokenizer } from '../text/tokenizer.js';
export type { DownloadProgress } from '../hub/progress.js';
export type { FromPretrainedOptions } from '../pretrained/options.js';
export type {
  CausalLanguageModel,
  ModelOf,
  PretrainedClass,
  PretrainedModel,
} from '../pretrained/model-classes.js';
export type { Example, ForwardEachOptions } from '../pretrained/forward-each.js';
export type { LayerOutputs } from '../pretrained/model-outputs.js';
export type { LoadingInfo } from '../pretrained/model-weights.js';
export type { ForwardOptions } from '../pretrained/model.js';
export type { Cube, Matrix, Tensor, TensorLike, Vector } from '../pretrained/tensors.js';
export type { BodyInputs, LayerKeyValues } from '../pretrained/model-inputs.js';
export type { Generated, GenerationInputs } from '../generation/generate.js';
export type { GenerationOptions } from '../generation/options.js';
export type { MegatronBertConfig, TransformerConfig } from '../model/config.js';
export type { Gpt2Config } from '../model/gpt2-config.js';
export type { Pipeline, Pipelines, TaskName } from '../pipelines/pipelines.js';
export type { BatchEncoding, TokenizeOptions } from '../text/batch.js';
export type { EncodedText } from '../text/encoding.js';
export type { DecodeOptions, EncodeOptions, Tokenizer, TokenizerOptions } from '../text/tokenizer.js';
