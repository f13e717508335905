export { InputError } from './errors.js';
export {
  AutoModel,
  AutoModelForCausalLM,
  AutoModelForMaskedLM,
  AutoModelForMultipleChoice,
  AutoModelForNextSentencePrediction,
  AutoModelForPreTraining,
  AutoModelForQuestionAnswering,
  AutoModelForSequenceClassification,
  AutoModelForTokenClassification,
  GPT2ForSequenceClassification,
  GPT2LMHeadModel,
  GPT2Model,
  MegatronBertForCausalLM,
  MegatronBertForMaskedLM,
  MegatronBertForMultipleChoice,
  MegatronBertForNextSentencePrediction,
  MegatronBertForPreTraining,
  MegatronBertForQuestionAnswering,
  MegatronBertForSequenceClassification,
  MegatronBertForTokenClassification,
  MegatronBertModel,
} from './pretrained/classes.js';
export type {
  CausalLanguageModel,
  ModelOf,
  PretrainedClass,
  PretrainedModel,
} from './pretrained/model-classes.js';
export type { Example, ForwardEachOptions } from './pretrained/forward-each.js';
export type { FromPretrainedOptions } from './pretrained/options.js';
export type { BodyInputs, LayerKeyValues } from './pretrained/model-inputs.js';
export type { Generated, GenerationInputs } from './generation/generate.js';
export type { GenerationOptions } from './generation/options.js';
export { convert } from './convert/convert.js';
export type { ConvertOptions, ConvertSummary } from './convert/options.js';
export { verifyModel, type Check, type VerifyOptions } from './pretrained/verify.js';
export type { SaveOptions } from './pretrained/save-pretrained.js';
export type { LayerOutputs } from './pretrained/model-outputs.js';
export type { LoadingInfo } from './pretrained/model-weights.js';
export type { ForwardOptions } from './pretrained/model.js';
export type { Cube, Matrix, Tensor, TensorLike, Vector } from './pretrained/tensors.js';
export type { MegatronBertConfig, TransformerConfig } from './model/config.js';
export type { Gpt2Config } from './model/gpt2-config.js';
export { downloadModel } from './hub/download-model.js';
export type { DownloadProgress } from './hub/progress.js';
export { downloadNgc, type NgcFiles, type NgcOptions } from './hub/ngc.js';
export { openDashboard, type Dashboard, type DashboardOptions } from './dashboard/server.js';
export { inspect, type Inspection } from './inspect/inspect.js';
export type { Estimate } from './plan/estimate.js';
export { readMachine, type Machine } from './plan/machine.js';
export { builtInMachines } from './plan/machines.js';
export { modelOfSizes, readModel, type ModelSizes, type PlannedModel } from './plan/model-sizes.js';
export { plan, type Plan, type PlanOptions } from './plan/plan.js';
export { scheduleChart } from './plan/chart.js';
export { pipeline } from './pipelines/node.js';
export type { Pipeline, Pipelines, TaskName } from './pipelines/pipelines.js';
export { readTexts } from './data/preprocess/texts.js';
export {
  createIndexedDatasetBuilder,
  type BuilderOptions,
  type IndexedDatasetBuilder,
} from './data/indexed/builder.js';
export { mergeDatasets, splitDataset, type DatasetPart } from './data/indexed/combine.js';
export { openIndexedDataset, type IndexedDataset } from './data/indexed/open.js';
export type { TokenType, Tokens, WrittenTokenType } from './data/indexed/token-types.js';
export { requireVocabulary } from './data/indexed/vocabulary.js';
export type { DocumentsBy, PreprocessOptions, PreprocessProgress } from './data/preprocess/options.js';
export {
  preprocess,
  type PreprocessedDataset,
  type PreprocessSummary,
} from './data/preprocess/preprocess.js';
export { evaluate, type EvaluateOptions } from './tasks/evaluate.js';
export { finetune, FinetuningStopped } from './tasks/finetune.js';
export type {
  DataSource,
  FinetuneOptions,
  TaskEvent,
  TaskOrBenchmark,
  TaskRunOptions,
} from './tasks/finetune-options.js';
export type { TaskResults } from './tasks/results.js';
export type { SweepConfiguration } from './tasks/sweep/configuration.js';
export { sweep, type SweepEvent, type SweepOptions } from './tasks/sweep/sweep.js';
export type { SweepResults, SweepRun } from './tasks/sweep/sweep-results.js';
export { Trainer } from './tasks/trainer.js';
export { trainByteLevelBpe } from './text/byte-level-bpe-trainer.js';
export { trainWordPiece } from './text/wordpiece-trainer.js';
export type { BatchEncoding, TokenizeOptions } from './text/batch.js';
export type { EncodedText } from './text/encoding.js';
export {
  createTokenizer,
  type DecodeOptions,
  type EncodeOptions,
  type Tokenizer,
  type TokenizerOptions,
} from './text/tokenizer.js';
export { createGpt2Tokenizer, type Gpt2Tokenizer, type Gpt2TokenizerOptions } from './text/gpt2-tokenizer.js';
export { readAnyTokenizer, readTokenizer, writeTokenizer } from './text/tokenizer-files.js';
export type { AnyTokenizer } from './text/tokenizer-json.js';
export type { TextTokenizer } from './text/text-tokenizer.js';
export { pretrain } from './train/pretrain.js';
export type { PretrainOptions, PretrainProgress } from './train/pretrain-options.js';
export type { PretrainSummary } from './train/summary.js';
